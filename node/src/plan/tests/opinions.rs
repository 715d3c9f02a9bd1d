//! Plans: who makes a probe for another node, and who suspects itself.

use super::*;

/// The owner's check fails: the node that is asked has it in its plan, whatever its own rights are,
/// and nobody else has.
#[test]
fn who_is_asked_for_an_opinion_plans_one_probe() {
    let mut state = state();
    let join = |id: NodeId, name: &str| Node {
        name: name.parse().expect("a name"),
        peer_addresses: vec![([10, 0, 0, 70 + u8::try_from(id.0).expect("small")], 7946).into()],
        admin_address: ([10, 0, 0, 70 + u8::try_from(id.0).expect("small")], 9443).into(),
        ..state.nodes[&ME].clone()
    };
    let (second, third) = (join(NodeId(7), "lb7"), join(NodeId(8), "lb8"));
    assert_eq!(
        Place::standby().plan(&state).suspicion,
        None,
        "a node alone"
    );
    state.nodes.insert(NodeId(7), second);
    state.nodes.insert(NodeId(8), third);
    report(&mut state, "s1", state::Health::Up);
    assert!(Place::standby().plan(&state).opinions.is_empty());
    report(&mut state, "s1", state::Health::Down);

    let asked_of = |node| {
        let place = Place::standby().sees("front", ME);
        let stand = Standpoint {
            me: node,
            ..place.stand()
        };
        plan(&state, &stand).opinions
    };
    assert!(asked_of(ME).is_empty(), "who reported it is not asked");
    assert!(asked_of(NodeId(8)).is_empty(), "one is enough");
    let opinions = asked_of(NodeId(7));
    let planned = opinions.get(&probe_key(&check("shop", "s1", "web")));
    let planned = planned.expect("it is asked");
    assert_eq!(opinions.len(), 1);
    assert!(planned.asked > 0, "the question has a number");
    assert_eq!(planned.target, "10.0.0.21:8081".parse().expect("a target"));

    let suspicion = Place::standby()
        .plan(&state)
        .suspicion
        .expect("somebody can be asked");
    assert_eq!((suspicion.percent, suspicion.least), (33, 10));
    let paging = &mut Arc::make_mut(&mut state.config).paging;
    paging.second_opinion = false;
    assert_eq!(Place::standby().plan(&state).suspicion, None);
}
