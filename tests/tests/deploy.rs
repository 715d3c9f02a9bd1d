//! What stands in `deploy/` and is read by others than our compiler: systemd, bash, farmux itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use farmux_node::config;
use farmux_node::settings::Settings;
use farmux_raft::state::Config;
use farmux_tests::lab::process::run;

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("tests/ stands in the workspace")
        .to_path_buf()
}

/// The unit names `/usr/bin/farmux`, which is not there; this machine's `true` stands for it.
fn verify(unit: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("farmux.service");
    std::fs::write(&file, unit.replace("/usr/bin/farmux", "/usr/bin/true"))?;
    // Warnings (an unknown key) leave the exit code at 0: they are what we look for.
    let ended = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output()?;
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let about_us: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("farmux"))
        .collect();
    ensure!(ended.status.success() && about_us.is_empty(), "{said}");
    Ok(())
}

#[test]
fn the_unit_is_what_systemd_takes() -> Result<()> {
    let unit = std::fs::read_to_string(root().join("deploy/farmux.service"))?;
    verify(&unit)?;
    ensure!(unit.contains("Type=notify"));
    let misspelt = unit.replace("NoNewPrivileges=", "NoNewPriviledges=");
    ensure!(verify(&misspelt).is_err(), "a misspelt key is found");
    Ok(())
}

#[test]
fn the_shell_scripts_are_clean() -> Result<()> {
    let listed = ["ls-files", "*.sh", ".ci/run", ".ci/*.sh"];
    let listed = run(Command::new("git").current_dir(root()).args(listed))?;
    ensure!(listed.lines().count() > 10, "{listed}");
    let mut command = Command::new("shellcheck");
    run(command
        .current_dir(root())
        .arg("--external-sources")
        .args(listed.lines()))
    .map(|_| ())
}

#[test]
fn the_example_settings_are_valid_and_show_the_defaults() -> Result<()> {
    let settings = Settings::load(&root().join("deploy/node.toml"))?;
    let least = "name = \"lb1\"\npeer = [\"10.0.0.11:7946\"]\nadmin = \"10.0.0.11:9443\"\n\
                 [networks]\nlan = \"eth0\"\n";
    let least = Settings::parse(least)
        .map_err(anyhow::Error::msg)
        .context("the least there is")?;
    ensure!(settings == least, "{settings:?}");
    Ok(())
}

#[test]
fn the_example_configurations_are_valid() -> Result<()> {
    for name in ["cluster.toml", "site1.toml", "site2.toml", "site3.toml"] {
        let text = std::fs::read_to_string(root().join("deploy/example").join(name))?;
        let read = config::read(&text, &Config::default(), &BTreeMap::new());
        let config = read.map_err(|faults| anyhow::anyhow!("{name}: {faults:?}"))?;
        let exported = config::export(&config);
        let again = config::read(&exported, &config, &BTreeMap::new());
        ensure!(
            again.is_ok_and(|again| again == config),
            "{name}: {exported}"
        );
    }
    Ok(())
}
