//! Configurations of one farm, `shop`, behind the VIP, with quick checks and one contact.

use super::{GATEWAY, RELAY, VIP, server_address};

/// HTTP on port 80, asked five times a second.
pub const WEB: &str = r#"
name = "web"
kind = "http"
port = 80
check = { kind = "http", path = "/health", interval = "200ms", timeout = "200ms" }
"#;

/// FTP on port 21; a check of it takes five round trips and a process.
pub const FILES: &str = r#"
name = "files"
kind = "ftp"
port = 21
data_ports = "40000-40999"
check = { kind = "ftp", password = "lab", fetch = "/whoami", interval = "1s", timeout = "1s" }
"#;

/// The farm: `farm` are lines of its own, each of `services` the lines of one, and each of
/// `servers` the number of one (`s1`, `s2`, …) with lines of its own.
pub fn sheet(farm: &str, services: &[&str], servers: &[(u8, &str)]) -> String {
    let mut toml = format!(
        r#"
[[vip]]
name = "front"
address = "{VIP}"
network = "lan"
gateway = "{GATEWAY}"

[[contact]]
name = "ops"
mail = {{ to = ["ops@example.com"], relay = "smtp://{RELAY}:25" }}

# Each page leaves by itself: what is gathered is for the tests of storms.
[paging]
storm = "0s"

[[farm]]
name = "shop"
vip = "front"
{farm}
"#
    );
    for service in services {
        toml.push_str(&format!("\n[[farm.service]]{service}"));
    }
    for (number, lines) in servers {
        let address = server_address(*number);
        toml.push_str(&format!(
            "\n[[farm.server]]\nname = \"s{number}\"\naddress = \"{address}\"\n{lines}\n"
        ));
    }
    toml
}
