//! Measures the frames of an HTTP/3 stream as its bytes pass. h3 gathers every frame but DATA
//! whole before it looks at its size (RFC 9114 section 7.1 lets a length be up to 2^62 - 1).

/// The frame that alone is not gathered (RFC 9114 section 7.2.1).
const DATA: u64 = 0x0;
/// The stream type of the control stream (RFC 9114 section 6.2.1).
const CONTROL: u64 = 0x0;

/// A frame is longer than is taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is too long")]
pub(super) struct TooLong;

/// Where a stream stands between its frames.
#[derive(Debug)]
pub(super) struct Frames {
    most: u64,
    at: At,
    number: Number,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// The type of a unidirectional stream.
    StreamType,
    Type,
    Length(u64),
    Payload(u64),
    /// The stream has no frames.
    Free,
}

impl Frames {
    pub(super) fn of_request(most: u64) -> Self {
        Self { most, at: At::Type, number: Number::default() }
    }

    pub(super) fn of_unidirectional(most: u64) -> Self {
        Self { most, at: At::StreamType, number: Number::default() }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if let At::Payload(left) = self.at {
                let skipped = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                bytes = bytes.get(skipped..).unwrap_or_default();
                let left = left - skipped as u64;
                self.at = if left == 0 { At::Type } else { At::Payload(left) };
                continue;
            }
            if matches!(self.at, At::Free) {
                return Ok(());
            }
            let Some(number) = self.number.read(&mut bytes) else { return Ok(()) };
            self.at = match self.at {
                At::StreamType if number == CONTROL => At::Type,
                At::StreamType => At::Free,
                At::Type => At::Length(number),
                At::Length(kind) if kind != DATA && number > self.most => return Err(TooLong),
                At::Length(_) if number == 0 => At::Type,
                At::Length(_) => At::Payload(number),
                at @ (At::Payload(_) | At::Free) => at,
            };
        }
        Ok(())
    }
}

/// A variable-length integer whose bytes may come one by one (RFC 9000 section 16).
#[derive(Debug, Default)]
pub(super) struct Number {
    value: u64,
    /// Bytes still to come; 0 before the first.
    left: u8,
}

impl Number {
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Option<u64> {
        while let Some((first, rest)) = bytes.split_first() {
            *bytes = rest;
            if self.left == 0 {
                self.value = u64::from(first & 0x3f);
                self.left = (1 << (first >> 6)) - 1;
            } else {
                self.value = self.value << 8 | u64::from(*first);
                self.left -= 1;
            }
            if self.left == 0 {
                return Some(self.value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HEADERS of 3, DATA of 70,000 bytes, GREASE of 0, HEADERS of 2.
    fn stream() -> Vec<u8> {
        let mut bytes = vec![1, 3, 9, 9, 9, 0, 0x80, 1, 0x11, 0x70];
        bytes.extend(std::iter::repeat_n(0xff, 70_000));
        bytes.extend([0x21, 0, 1, 2, 9, 9]);
        bytes
    }

    #[test]
    fn only_data_may_be_long() {
        for size in [1, 2, 3, 7, 100_000] {
            let mut frames = Frames::of_request(3);
            for part in stream().chunks(size) {
                assert_eq!(frames.pass(part), Ok(()), "in parts of {size}");
            }
            assert_eq!(frames.pass(&[1]), Ok(()));
            assert_eq!(frames.pass(&[4]), Err(TooLong), "trailers of 4 in parts of {size}");
        }
        let unknown = [0x21, 0xc0, 0, 0, 0, 0, 0, 1, 0];
        assert_eq!(Frames::of_request(3).pass(&unknown), Err(TooLong));
    }

    #[test]
    fn of_unidirectional_streams_only_control_has_frames() {
        let frames = [4, 0x80, 0, 1, 0];
        for (kind, want) in [(0, Err(TooLong)), (2, Ok(())), (3, Ok(()))] {
            let mut measured = Frames::of_unidirectional(3);
            assert_eq!(measured.pass(&[kind]), Ok(()));
            assert_eq!(measured.pass(&frames), want, "stream type {kind}");
        }
    }
}
