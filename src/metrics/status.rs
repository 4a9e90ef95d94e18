//! Status codes as they are counted: each that is registered by IANA or used by this server on its
//! own, and one number for all others of a class, so that no upstream can add names.

/// Classes of status codes, from 1xx to 5xx.
pub const CLASSES: usize = 5;

/// The codes that are counted on their own. 499: the client left without a response.
const CODES: [u16; 62] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304,
    305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
    416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504,
    505, 506, 507, 508, 511,
];
/// Those, and one for the others of each class.
pub const STATUSES: usize = CODES.len() + CLASSES;

/// The place of each code from 0 to 599.
static PLACES: [u8; 600] = places();

const fn places() -> [u8; 600] {
    let mut places = [0; 600];
    let mut code = 0;
    while code < places.len() {
        places[code] = (CODES.len() + class(code as u16)) as u8;
        code += 1;
    }
    let mut at = 0;
    while at < CODES.len() {
        places[CODES[at] as usize] = at as u8;
        at += 1;
    }
    places
}

/// The class of a status, 1xx first.
pub(super) const fn class(status: u16) -> usize {
    match status {
        ..200 => 0,
        200..300 => 1,
        300..400 => 2,
        400..500 => 3,
        500.. => 4,
    }
}

/// Where a status is counted.
pub(super) fn place(status: u16) -> usize {
    let last = PLACES.len() - 1;
    usize::from(PLACES[usize::from(status).min(last)])
}

/// The label of a place: the code, or the class of the others.
pub fn label(place: usize) -> String {
    match CODES.get(place) {
        Some(code) => code.to_string(),
        None => class_label(place - CODES.len()).to_owned(),
    }
}

/// `2xx`, from the class as a number from 0.
pub fn class_label(class: usize) -> &'static str {
    ["1xx", "2xx", "3xx", "4xx", "5xx"][class]
}

/// The class of a place.
pub(super) fn class_of(place: usize) -> usize {
    CODES.get(place).map_or_else(|| place - CODES.len(), |code| class(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_by_name_or_by_class() {
        for (status, name, class) in [
            (200, "200", 1),
            (404, "404", 3),
            (499, "499", 3),
            (511, "511", 4),
            (299, "2xx", 1),
            (599, "5xx", 4),
            (999, "5xx", 4),
            (0, "1xx", 0),
        ] {
            let at = place(status);
            assert_eq!((label(at).as_str(), class_of(at)), (name, class), "{status}");
            assert_eq!(class_label(class).as_bytes()[0] - b'1', class as u8);
        }
        assert!(CODES.is_sorted());
    }
}
