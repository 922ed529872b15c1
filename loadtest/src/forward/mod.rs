//! What forwarding a packet costs, beside the least that it could.
//!
//! With sockets and a real server process: [`process`]. In user space alone, beside the bare seal,
//! it is here: drives [`media_core::Forwarder`] without sockets: publishers' sealed datagrams go in, everything
//! that comes out is dropped. Clients answer as browsers do, with transport-wide feedback ten times
//! a second and receiver reports each second, measured apart. The floor is AES-128-GCM over as
//! many bytes with as many keys, in turn with the figure, so that the machine's speed and other
//! work cancel out in the ratio. Before anything is measured, every client opens what it was sent.

mod client;
mod floor;
pub mod process;
mod report;
mod scene;

pub use report::{Figure, ForwardReport};

use aws_lc_rs::aead::AES_128_GCM;
use clap::Args;
use floor::Floor;
use rustix::time::{ClockId, clock_gettime};
use scene::{Medium, Rooms, Scene};

/// The highest cost of a forwarded packet, in hundredths of the seal.
const GOAL_PERCENT: u64 = 150;

/// Media that is measured at a stretch: long enough that reading the clock costs nothing beside it.
const STRETCH_MS: u64 = 100;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct ForwardArgs {
    /// Without sockets: only what the packet path itself costs.
    #[arg(long, conflicts_with_all = ["publishers", "listeners", "video_pps", "audio_pps"])]
    pub in_process: bool,
    /// Who sends. More than one: as many paid calls of two, in each of which one side sends.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub publishers: u16,
    /// Who hears each of them.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=2_000))]
    pub listeners: u16,
    /// Video packets of 1,100 bytes per second and publisher; 0: none.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=5_000))]
    pub video_pps: u32,
    /// Audio packets of 120 bytes per second and publisher.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub audio_pps: u32,
    /// How many seconds of media each figure is taken from.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// In process: only figures whose name contains this.
    #[arg(long, default_value = "", value_name = "TEXT", requires = "in_process")]
    pub only: String,
    /// Prints the figures as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What this thread has had of the heap so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocated {
    pub allocations: u64,
    /// Bytes taken and not yet given back.
    pub live_bytes: i64,
}

/// What keeps the figures from being taken.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A client was not sent what it should have been, or could not open it.
    #[error("{scene}: of {expected} packets, {opened} were opened as they were sent")]
    Wrong { scene: String, expected: usize, opened: usize },
    #[error("a client can't join: {0}")]
    Join(#[from] media_core::GroupError),
}

/// Takes all figures, on the calling thread. `allocated` tells what this thread has had so far.
///
/// # Errors
/// [`ForwardError`].
pub fn run(
    args: &ForwardArgs,
    allocated: fn() -> Allocated,
) -> Result<ForwardReport, ForwardError> {
    let mut figures = Vec::new();
    for rooms in [Rooms::Group(50), Rooms::Group(1_000), Rooms::Calls(25), Rooms::Calls(500)] {
        for medium in [Medium::Audio, Medium::Video] {
            let name = format!("{rooms}, {medium}");
            if name.contains(&args.only) {
                figures.push(measure(args, name, rooms, medium, allocated)?);
            }
        }
    }
    Ok(ForwardReport { goal_percent: GOAL_PERCENT, figures })
}

fn measure(
    args: &ForwardArgs,
    name: String,
    rooms: Rooms,
    medium: Medium,
    allocated: fn() -> Allocated,
) -> Result<Figure, ForwardError> {
    let before = allocated();
    let mut scene = Scene::new(rooms, medium, allocated)?;
    let mut floor = Floor::new(&AES_128_GCM, rooms.listeners(), medium.payload_bytes());
    // Rings, buffers and maps grow to their size.
    for stretch in 0..20 {
        let (expected, opened) = scene.check(STRETCH_MS);
        if expected != opened {
            return Err(ForwardError::Wrong { scene: name, expected, opened });
        }
        scene.feedback(stretch);
    }
    let leg_bytes = scene.bytes(before);
    let (mut forward, mut seal, mut feedback) = (Vec::new(), Vec::new(), Vec::new());
    let (mut packets, mut allocations, mut feedback_allocations) = (0, 0, 0);
    for stretch in 0..u64::from(args.seconds) * 1_000 / STRETCH_MS {
        let mut datagrams = scene.sealed(STRETCH_MS);
        // What the clients' own work has put out of the caches comes back.
        let fifth = datagrams.len() / 5;
        let (first, datagrams) = datagrams.split_at_mut(fifth);
        let had = allocated().allocations;
        packets += scene.forward(first);
        let start = cpu_ns();
        let forwarded = scene.forward(datagrams);
        let taken = cpu_ns() - start;
        allocations += allocated().allocations - had;
        forward.push(taken * 10 / forwarded.max(1));
        packets += forwarded;
        floor.seal(rooms.listeners() as u64);
        let start = cpu_ns();
        floor.seal(forwarded);
        seal.push((cpu_ns() - start) * 10 / forwarded.max(1));
        let mut reports = scene.reports(stretch);
        let (had, start) = (allocated().allocations, cpu_ns());
        scene.take(&mut reports);
        let taken = cpu_ns() - start;
        feedback_allocations += allocated().allocations - had;
        feedback.push(taken * 10 / forwarded.max(1));
    }
    Ok(Figure {
        name,
        has_goal: rooms.has_goal(),
        forward_tenth_ns: quiet(forward),
        seal_tenth_ns: quiet(seal),
        feedback_tenth_ns: mean(&feedback),
        packets,
        allocations,
        feedback_allocations,
        leg_bytes,
    })
}

/// Processor time of this thread.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The lower quartile: other work on the machine only adds.
fn quiet(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 4).copied().unwrap_or_default()
}

fn mean(values: &[u64]) -> u64 {
    values.iter().sum::<u64>() / (values.len() as u64).max(1)
}
