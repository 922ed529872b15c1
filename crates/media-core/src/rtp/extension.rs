//! RTP header extensions (RFC 8285): reads both forms, writes the one-byte form.

use crate::limits::EXTENSIONS_MAX;

/// How the elements of an extension block are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    OneByte,
    TwoByte,
}

/// `defined by profile` of the one-byte form.
const ONE_BYTE: u16 = 0xbede;

impl Form {
    /// The form that a block's first two bytes name, or `None` if it is some other extension.
    pub(super) const fn of(profile: u16) -> Option<Self> {
        match profile {
            ONE_BYTE => Some(Self::OneByte),
            0x1000..=0x100f => Some(Self::TwoByte),
            0..0x1000 | 0x1010.. => None,
        }
    }
}

/// The first elements of a block, at most [`EXTENSIONS_MAX`]: ids and data. Ends at the first that is
/// cut off.
#[derive(Clone, Debug)]
pub(crate) struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
    left: u8,
}

impl<'a> Extensions<'a> {
    pub(super) const fn new(form: Form, block: &'a [u8]) -> Self {
        Self { form, rest: block, left: EXTENSIONS_MAX }
    }

    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.left = self.left.checked_sub(1)?;
        let (id, len, data) = match (self.form, self.rest) {
            // Id 15 ends the block (RFC 8285 section 4.2).
            (Form::OneByte, [head, data @ ..]) if head >> 4 != 15 => {
                (head >> 4, usize::from(head & 0x0f) + 1, data)
            }
            (Form::TwoByte, [id, len, data @ ..]) => (*id, usize::from(*len), data),
            (Form::OneByte | Form::TwoByte, _) => return None,
        };
        let (element, rest) = data.split_at_checked(len)?;
        self.rest = rest;
        Some((id, element))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let element = self.element();
        if element.is_none() {
            self.rest = &[];
        }
        element
    }
}

/// Writes a one-byte block behind a fixed header. Without elements nothing is written.
pub(super) struct BlockWriter<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where the block's head stands, once it has been written.
    head: Option<usize>,
}

impl<'a> BlockWriter<'a> {
    pub(super) const fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, head: None }
    }

    /// Adds an element, if its id (1 to 14) and its length (1 to 16) fit the form; returns where it
    /// begins.
    pub(super) fn put(&mut self, id: Option<u8>, data: &[u8]) -> Option<usize> {
        let id = id.filter(|id| (1..=14).contains(id))?;
        let len = u8::try_from(data.len()).ok().filter(|len| (1..=16).contains(len))?;
        if self.head.is_none() {
            self.head = Some(self.bytes.len());
            self.bytes.extend_from_slice(&ONE_BYTE.to_be_bytes());
            self.bytes.extend_from_slice(&[0, 0]);
        }
        let at = self.bytes.len();
        self.bytes.push(id << 4 | (len - 1));
        self.bytes.extend_from_slice(data);
        Some(at)
    }

    /// Pads the block and writes its length; returns whether there is one.
    pub(super) fn finish(self) -> bool {
        let Some(head) = self.head else { return false };
        let elements = self.bytes.len() - head - 4;
        self.bytes.resize(head + 4 + elements.next_multiple_of(4), 0);
        let words = u16::try_from(elements.div_ceil(4)).expect("14 elements of 17 bytes at most");
        self.bytes[head + 2..head + 4].copy_from_slice(&words.to_be_bytes());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, block: &[u8]) -> Vec<(u8, Vec<u8>)> {
        Extensions::new(form, block).map(|(id, data)| (id, data.to_vec())).collect()
    }

    #[test]
    fn reads_both_forms() {
        for (form, block, elements) in [
            (Form::OneByte, &[0x10, 5, 0, 0x31, 6, 7][..], &[(1, &[5][..]), (3, &[6, 7])][..]),
            (Form::OneByte, &[0xf0, 5, 0x10, 5], &[]),
            (Form::OneByte, &[0x12, 5], &[]),
            (Form::TwoByte, &[1, 0, 0, 200, 2, 8, 9], &[(1, &[]), (200, &[8, 9])]),
            (Form::TwoByte, &[1, 2, 3], &[]),
            (Form::TwoByte, &[1], &[]),
        ] {
            let expected: Vec<_> = elements.iter().map(|(id, data)| (*id, data.to_vec())).collect();
            assert_eq!(read(form, block), expected);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut bytes = vec![0xff];
        let mut block = BlockWriter::new(&mut bytes);
        assert_eq!(block.put(Some(4), b"audio"), Some(5));
        assert_eq!(block.put(None, b"absent"), None);
        assert_eq!(block.put(Some(15), b"x"), None);
        assert_eq!(block.put(Some(3), &[1, 2]), Some(11));
        assert!(block.finish());
        assert_eq!((bytes.len() - 1) % 4, 0);
        assert_eq!(bytes[1..5], [0xbe, 0xde, 0, 3]);
        assert_eq!(read(Form::OneByte, &bytes[5..]), [(4, b"audio".to_vec()), (3, vec![1, 2])]);

        let mut none = Vec::new();
        assert!(!BlockWriter::new(&mut none).finish());
        assert!(none.is_empty());
    }
}
