//! An address as a QR code of block characters, two modules to a character.

use std::io::IsTerminal;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The picture; `None` where nobody could see it.
pub(super) fn as_blocks(address: &str) -> Option<String> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let code = QrCode::new(address).ok()?;
    // Light on dark terminals and dark on light ones both scan when the quiet zone is drawn.
    Some(code.render::<Dense1x2>().quiet_zone(true).build())
}
