//! Tokens: made, claimed, resumed, used, refused.

use super::*;

fn claim(hash: [u8; 32], key: [u8; 32], node: Node) -> Command {
    Command::ClaimToken { hash, key, node }
}

fn with_token() -> House {
    let mut house = House::bare();
    let token = token(house.at, [5; 32], NodeRole::Balancer);
    house
        .order(Command::CreateToken(token))
        .expect("there is room");
    house
}

#[test]
fn the_first_use_binds_a_token_to_a_key_which_may_resume() {
    let mut house = with_token();
    let first = claim([5; 32], [1; 32], balancer("lb2", 2));
    assert_eq!(house.order(first.clone()), Ok(Applied::Node(NodeId(2))));
    assert_eq!(
        house.order(first.clone()),
        Ok(Applied::Node(NodeId(2))),
        "it may resume"
    );
    let stranger = claim([5; 32], [9; 32], balancer("lb9", 9));
    let used = Reject::TokenUsed(TokenId::of(&[5; 32]));
    assert_eq!(house.order(stranger), Err(used.clone()));

    house.at += 7_200_000;
    assert_eq!(
        house.order(first.clone()),
        Ok(Applied::Node(NodeId(2))),
        "whoever began goes on"
    );
    assert_eq!(
        house.order(Command::FinishJoin(NodeId(2))),
        Ok(Applied::Done)
    );
    assert_eq!(
        house.order(Command::FinishJoin(NodeId(2))),
        Ok(Applied::Unchanged)
    );
    assert_eq!(house.order(first), Err(used), "a member joins no more");
}

#[test]
fn a_resumed_join_describes_the_machine_anew() {
    let mut house = with_token();
    house
        .order(claim([5; 32], [1; 32], balancer("lb2", 2)))
        .expect("it is fresh");
    let moved = balancer("lb2", 7);
    house
        .order(claim([5; 32], [1; 32], moved.clone()))
        .expect("it resumes");
    assert_eq!(
        house.state.nodes[&NodeId(2)].peer_addresses,
        moved.peer_addresses
    );
    assert_eq!(house.state.nodes.len(), 2);
}

#[test]
fn tokens_that_are_over_unknown_or_for_another_role_are_refused() {
    let id = TokenId::of(&[5; 32]);
    let mut house = with_token();
    let node = balancer("lb2", 2);
    assert_eq!(
        house.order(claim([6; 32], [1; 32], node.clone())),
        Err(Reject::UnknownToken)
    );
    let mut almost = [5; 32];
    almost[31] = 0;
    assert_eq!(
        house.order(claim(almost, [1; 32], node.clone())),
        Err(Reject::UnknownToken),
        "the id is only the hash's head; the whole of it counts"
    );
    let witness = Node {
        role: NodeRole::Witness,
        ..node.clone()
    };
    assert_eq!(
        house.order(claim([5; 32], [1; 32], witness)),
        Err(Reject::TokenRole {
            token: id,
            role: NodeRole::Balancer
        })
    );
    house.at += 3_600_000;
    assert_eq!(
        house.order(claim([5; 32], [1; 32], node.clone())),
        Err(Reject::TokenExpired(id))
    );
    assert_eq!(house.order(Command::RevokeToken(id)), Ok(Applied::Done));
    assert_eq!(
        house.order(Command::RevokeToken(id)),
        Err(Reject::UnknownToken)
    );
    assert_eq!(
        house.order(claim([5; 32], [1; 32], node)),
        Err(Reject::UnknownToken)
    );
}

#[test]
fn a_token_lives_a_second_to_a_week_and_is_stored_once() {
    let mut house = with_token();
    let id = TokenId::of(&[6; 32]);
    for life_ms in [0, 999, 604_800_001] {
        // The order comes a second later than the clock shows here.
        let expires = UnixMillis(house.at + 1_000 + life_ms);
        let token = Token {
            expires,
            ..token(house.at, [6; 32], NodeRole::Balancer)
        };
        assert_eq!(
            house.order(Command::CreateToken(token)),
            Err(Reject::TokenLifetime(id))
        );
    }
    let again = token(house.at, [5; 32], NodeRole::Balancer);
    let exists = Reject::TokenExists(TokenId::of(&[5; 32]));
    assert_eq!(house.order(Command::CreateToken(again)), Err(exists));
}

#[test]
fn a_token_cannot_be_stored_claimed_or_used() {
    let mut house = House::bare();
    let claimed = Some(([1; 32], NodeId(1)));
    let forged = Token {
        claimed,
        used: true,
        ..token(house.at, [5; 32], NodeRole::Balancer)
    };
    house
        .order(Command::CreateToken(forged))
        .expect("it is taken in, cleaned");
    let stored = &house.state.tokens[&TokenId::of(&[5; 32])];
    assert_eq!((stored.claimed, stored.used), (None, false));
}

#[test]
fn there_is_room_for_a_hundred_live_tokens() {
    let mut house = House::bare();
    let hash = |n: u8| {
        let mut hash = [0; 32];
        hash[0] = n;
        hash
    };
    for n in 0..100 {
        let token = token(house.at, hash(n), NodeRole::Balancer);
        house
            .order(Command::CreateToken(token))
            .expect("there is room");
    }
    let one_more = token(house.at, hash(100), NodeRole::Balancer);
    assert_eq!(
        house.order(Command::CreateToken(one_more.clone())),
        Err(Reject::TooManyTokens { max: 100 })
    );
    house.at += 3_600_000;
    let later = token(house.at, hash(100), NodeRole::Balancer);
    assert_eq!(house.order(Command::CreateToken(later)), Ok(Applied::Done));
    assert_eq!(house.state.tokens.len(), 1, "the dead ones made room");
}
