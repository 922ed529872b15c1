//! The replay windows of a bounded number of SSRCs.

use super::SrtpError;
use crate::window::Window;

/// Windows by SSRC. The few SSRCs of a leg are searched in order.
#[derive(Debug)]
pub(super) struct Streams {
    windows: Vec<(u32, Window)>,
    max: usize,
}

impl Streams {
    pub(super) fn new(max: usize) -> Self {
        Self { windows: Vec::new(), max }
    }

    /// The window of `ssrc`; an empty one if it is new and there is room for it. A stream that is
    /// full of SSRCs is never emptied: to forget a window would allow its packets a second time.
    pub(super) fn find(&self, ssrc: u32) -> Result<Option<&Window>, SrtpError> {
        let window = self.windows.iter().find(|(of, _)| *of == ssrc).map(|(_, window)| window);
        if window.is_none() && self.windows.len() >= self.max {
            return Err(SrtpError::TooManyStreams);
        }
        Ok(window)
    }

    /// Marks an index of `ssrc`, whose packet has been verified.
    pub(super) fn admit(&mut self, ssrc: u32, index: u64) {
        match self.windows.iter_mut().find(|(of, _)| *of == ssrc) {
            Some((_, window)) => window.admit(index),
            None => {
                let mut window = Window::default();
                window.admit(index);
                self.windows.push((ssrc, window));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}
