//! How accounts are called that Mainstay makes or asks about. An account is what keeps apps apart: each is one app's.

use crate::AppName;

/// The data plane runs as this one.
pub const EDGE: &str = "mainstay-edge";
/// What speaks to others runs as this one. Not as `mainstay`: who has that group may use the API.
pub const STATION: &str = "mainstay-station";
/// The group whose members may use the API of the machine's service, and so deploy any app.
pub const OPERATORS: &str = "mainstay";

/// Who comes by a key of `mainstay user add-key` comes as this one, which may nothing by itself. No app's account can have the name:
/// an app's name has no `_`.
pub const LOGIN: &str = "mainstay_login";

/// The account that is made for an app which machine.toml gives none.
pub fn of_app(app: &AppName) -> String {
    format!("mainstay-{app}")
}
