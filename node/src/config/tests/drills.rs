//! Schedules of drills and who hears of them: read, refused, written again.

use super::*;

const WHO: &str = r#"
[[contact]]
name = "ops"
mail = { to = ["ops@example.com"], relay = "smtp://10.0.0.9:25" }

[paging]
drill_contacts = ["ops"]
"#;

#[test]
fn a_schedule_says_which_whom_and_when() {
    let text = format!(
        "{SMALL}{WHO}
[[drill]]
name = \"owner-crash\"
target = \"front\"
weekly = \"Tue 03:00\"
tz = \"Europe/Berlin\"

[[drill]]
name = \"nightly\"
kind = \"page-test\"
weekly = \"Sun 23:59\"
"
    );
    let config = fresh(&text).expect("it is valid");
    let said: Vec<String> = config
        .drills
        .iter()
        .map(|(name, drill)| {
            let target = drill.target.as_deref().unwrap_or("-");
            format!(
                "{name} {} {target} {} {}",
                drill.kind, drill.weekly, drill.tz
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "nightly page-test - Sun 23:59 UTC",
            "owner-crash owner-crash front Tue 03:00 Europe/Berlin",
        ]
    );
    assert_eq!(config.paging.drill_contacts.len(), 1);
    let written = export(&config);
    assert_eq!(
        fresh(&written).expect("it was written"),
        config,
        "{written}"
    );
    assert!(written.ends_with(
        "[[drill]]\nname = \"owner-crash\"\nkind = \"owner-crash\"\ntarget = \"front\"\n\
         weekly = \"Tue 03:00\"\ntz = \"Europe/Berlin\"\n\n"
    ));
    let lines = farmux_raft::state::diff(&Config::default(), &config).join("\n");
    let told = "+ drill[nightly]: kind page-test, weekly Sun 23:59, tz UTC";
    assert!(lines.contains(told), "{lines}");
    assert!(lines.contains("drill contacts none -> ops"), "{lines}");
}

#[test]
fn what_cannot_be_is_told_with_its_line_and_what_could() {
    let drill = |words: &str| format!("{SMALL}\n[[drill]]\n{words}");
    let weekly = "weekly = \"Tue 03:00\"";
    for (words, wanted) in [
        (format!("name = \"crash\"\n{weekly}"), "\"owner-crash\" or"),
        (
            format!("name = \"vip-move\"\n{weekly}\ntz = \"Berlin\""),
            "\"Europe/Berlin\" or \"UTC\"",
        ),
        (
            "name = \"vip-move\"\nweekly = \"Tuesday 3:00\"".to_owned(),
            "\"Tue 03:00\"",
        ),
        (
            format!("name = \"quorum-loss\"\n{weekly}"),
            "has to type the cluster's name",
        ),
        (
            format!("name = \"vip-move\"\n{weekly}\ntarget = \"\""),
            "1 to 160 are possible",
        ),
    ] {
        assert_refused(&drill(&words), wanted);
    }
    let nobody = format!("{SMALL}\n[paging]\ndrill_contacts = [\"nobody\"]");
    assert_refused(&nobody, "no contact called nobody");
}
