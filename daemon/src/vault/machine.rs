//! Which machine this is. A vault remembers it, so that a copied home or a restored image on another machine does not
//! spend refresh tokens that the first machine still uses.

use std::fs;

use zeroize::Zeroizing;

/// Where the machine's id lies: machine-id(5), and where D-Bus kept it before.
const PLACES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// This machine's id; empty where there is none. It is confidential (machine-id(5)) and only ever stored hashed.
pub(super) fn this() -> Zeroizing<Vec<u8>> {
    let id = PLACES.iter().find_map(|place| fs::read(place).ok()).unwrap_or_default();
    Zeroizing::new(id.trim_ascii().to_vec())
}
