//! Splits an offer into its session part and its m-lines, and bounds both.

use super::Unsupported;
use crate::limits::{FORMATS_MAX, OFFER_BYTES_MAX, SECTIONS_MAX};

/// An offer's text, split. Borrows from it.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    /// The value of `o=`; empty if there is none.
    pub(crate) origin: &'a str,
    pub(crate) session: Attributes<'a>,
    pub(crate) sections: Vec<Section<'a>>,
}

/// An m-line and what follows it.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// `audio`, `video`, `application`, ...
    pub(crate) kind: &'a str,
    /// The transport profile.
    pub(crate) profile: &'a str,
    pub(crate) port: u16,
    pub(crate) formats: Vec<&'a str>,
    pub(crate) attributes: Attributes<'a>,
}

/// `a=` lines in order, split at the first colon.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// Whether there is such an attribute.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The first such attribute's value.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The values of all such attributes.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }
}

impl<'a> Description<'a> {
    /// Splits `text`.
    ///
    /// # Errors
    /// [`Unsupported::Size`], [`Unsupported::Line`] (counted from 1), [`Unsupported::Sections`].
    pub(crate) fn read(text: &'a str) -> Result<Self, Unsupported> {
        if text.len() > OFFER_BYTES_MAX {
            return Err(Unsupported::Size);
        }
        let mut description =
            Self { origin: "", session: Attributes::default(), sections: Vec::new() };
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.is_empty() {
                description.read_line(line, index + 1)?;
            }
        }
        Ok(description)
    }

    fn read_line(&mut self, line: &'a str, number: usize) -> Result<(), Unsupported> {
        let malformed = Unsupported::Line(number);
        let (kind, value) = line.split_once('=').ok_or(malformed.clone())?;
        if kind.len() != 1 || line.chars().any(char::is_control) {
            return Err(malformed);
        }
        match kind {
            "m" => {
                if self.sections.len() == SECTIONS_MAX {
                    return Err(Unsupported::Sections);
                }
                self.sections.push(Section::read(value).ok_or(malformed)?);
            }
            "a" => {
                let pair = value.split_once(':').unwrap_or((value, ""));
                let attributes = match self.sections.last_mut() {
                    Some(section) => &mut section.attributes,
                    None => &mut self.session,
                };
                attributes.0.push(pair);
            }
            "o" => self.origin = value,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Section<'a> {
    /// Reads what follows `m=`. The words are echoed where an m-line is rejected, so they must be
    /// tokens (RFC 8866 section 9).
    fn read(value: &'a str) -> Option<Self> {
        let mut words = value.split(' ').filter(|word| !word.is_empty());
        let (kind, port, profile) = (words.next()?, words.next()?, words.next()?);
        let port = port.split('/').next()?.parse().ok()?;
        let formats: Vec<&str> = words.take(FORMATS_MAX + 1).collect();
        let plain = is_token(kind)
            && profile.split('/').all(is_token)
            && formats.iter().all(|format| is_token(format));
        let counted = (1..=FORMATS_MAX).contains(&formats.len());
        (plain && counted).then_some(Self {
            kind,
            profile,
            port,
            formats,
            attributes: Attributes::default(),
        })
    }
}

/// Whether `text` is a token of RFC 8866: safe to write into an answer.
pub(crate) fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}
