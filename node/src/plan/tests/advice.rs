//! Plans: what a server's own page asks for.

use farmux_netplane::plan::Advice as Wire;

use super::*;

/// What the log remembers of a page reaches the nodes that do not probe, and whoever probes next.
#[test]
fn advice_goes_to_all_nodes() {
    let key = check("shop", "s1", "web");
    let seven = std::num::NonZeroU32::new(7).expect("not 0");
    for (logged, wanted) in [
        (Advice::None, Wire::None),
        (Advice::Overload, Wire::Overload),
        (Advice::Quiesce, Wire::Quiesce),
        (Advice::Weight(seven), Wire::Weight(seven)),
    ] {
        let mut state = state();
        let change = HealthChange {
            reached: true,
            check: key.clone(),
            health: state::Health::Up,
            reason: String::new(),
            at: UnixMillis(900),
            advice: logged,
            answers: 0,
            paged: false,
        };
        let authority = Authority::Leader {
            term: 1,
            node: NodeId(1),
        };
        let changes = vec![change];
        obey(&mut state, Command::ReportHealth { authority, changes });
        let plan = Place::standby().leads(1).plan(&state);
        for service in ["web", "raw"] {
            let key = ServiceKey {
                farm: "shop".into(),
                service: service.into(),
            };
            assert_eq!(
                plan.services[&key].servers["s1"].advice, wanted,
                "{service}"
            );
            assert_eq!(plan.services[&key].servers["s2"].advice, Wire::None);
        }
        assert_eq!(plan.probes[&probe_key(&key)].advised, wanted);
    }
}
