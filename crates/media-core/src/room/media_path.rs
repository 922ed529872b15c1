//! From a publisher's packet to the listener's.

use super::awaited::Numbered;
use super::connection::Connection;
use super::direction::Direction;
use super::{Room, pair};
use crate::upstream::Accepted;
use crate::{Outbox, Side};
use units::{ElapsedMs, MonotonicUs};

impl Room {
    /// Takes an SRTP packet from a side's client.
    pub(super) fn media(
        &mut self,
        now: MonotonicUs,
        side: Side,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) {
        if self.is_closing() {
            return;
        }
        let Some(from) = &mut self.connections[side.index()] else { return };
        let Some(len) = from.up.open_media(datagram, out) else { return };
        self.heard(now, side, out);
        let forwards = self.forwards();
        let listener = side.other();
        let ceiling = self.ceiling(listener);
        let direction = &mut self.toward[listener.index()];
        let (Some(from), to) = pair(&mut self.connections, side) else { return };
        if let Some((line, packet)) = from.up.take_in(now, &datagram[..len]) {
            let listens = from.lines[line].sink.zip(to.filter(|_| forwards));
            if packet.starts_keyframe {
                let ready = listens.as_ref().is_none_or(|(_, to)| to.up.ready);
                from.up.lines[line].track.keyframe_came(ready);
            }
            if let Some((sink, to)) = listens {
                forward(now, to, sink, &packet, (&mut *direction, ceiling), out);
                if listener == Side::Fan && direction.evidence.reaches(ceiling) {
                    out.copy_latest(&mut self.last);
                }
            }
        }
        from.ask(now, out);
        if forwards && self.has_reached_limit() {
            self.hold(now, out);
        }
    }

    /// A side's client has shown that it holds its keys.
    pub(super) fn heard(&mut self, now: MonotonicUs, side: Side, out: &mut Outbox) {
        let closing = self.is_closing();
        let (Some(from), to) = pair(&mut self.connections, side) else { return };
        let first = !std::mem::replace(&mut from.up.ready, true);
        if let Some(other) = to.filter(|_| first && !closing) {
            other.up.listener_ready();
            other.ask(now, out);
        }
    }
}

/// Sends a packet to a listener, and counts it. Padding leaves no gap.
fn forward(
    now: MonotonicUs,
    to: &mut Connection,
    sink: usize,
    packet: &Accepted<'_>,
    (direction, ceiling): (&mut Direction, ElapsedMs),
    out: &mut Outbox,
) -> Option<()> {
    let Connection { key, sealer, lines, awaited, .. } = to;
    let feed = &mut lines[sink].feed;
    let media = &packet.media;
    if media.payload.is_empty() {
        feed.skip(packet);
        return None;
    }
    let place = feed.place(now, packet)?;
    let number = awaited.next();
    let header = feed.header(media, place, number);
    let header = header.as_slice();
    let len = header.len() + media.payload.len() + sealer.tag_len();
    let claim = sealer.claim(feed.stream(), place.index).ok()?;
    out.place(*key, len, |bytes| sealer.seal_rtp_to(bytes, claim, header, media.payload));
    let content = feed.content(media, place);
    let mark = (!packet.repaired).then(|| direction.evidence.forward(now, ceiling, content));
    if feed.is_numbered() {
        let mark = mark.filter(|_| feed.is_confirmed_by_number());
        awaited.sent(Numbered {
            line: sink as u16,
            sequence: place.index as u16,
            mark,
            at: now,
            bytes: len as u16,
        });
    }
    feed.sent(now, place, number, media, mark.filter(|_| !feed.is_confirmed_by_number()));
    direction.packets += 1;
    direction.bytes += media.payload.len() as u64;
    Some(())
}
