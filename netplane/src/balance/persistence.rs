//! PURE. Which client met which server last: a table that forgets the oldest.
//!
//! ```text
//!   clients: client ──▶ server, turn, last seen        turns: turn ──▶ client, the oldest first
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;

/// The servers that clients met.
#[derive(Debug)]
pub struct Persisted {
    most: usize,
    clients: BTreeMap<Client, Met>,
    turns: BTreeMap<u64, Client>,
    next: u64,
}

#[derive(Debug)]
struct Met {
    server: Arc<str>,
    turn: u64,
    last: Duration,
}

impl Persisted {
    /// Remembers `most` clients, and forgets whoever was seen longest ago to take in another.
    pub fn new(most: usize) -> Self {
        Persisted {
            most: most.max(1),
            clients: BTreeMap::new(),
            turns: BTreeMap::new(),
            next: 0,
        }
    }

    /// The server that the client met within `timeout` before `now`; it counts as met again.
    pub fn meet(&mut self, client: &Client, timeout: Duration, now: Duration) -> Option<Arc<str>> {
        let met = self.clients.get_mut(client)?;
        if now.saturating_sub(met.last) > timeout {
            return None;
        }
        self.turns.remove(&met.turn);
        self.turns.insert(self.next, *client);
        met.turn = self.next;
        met.last = now;
        self.next += 1;
        Some(met.server.clone())
    }

    /// The client meets this server from now on.
    pub fn remember(&mut self, client: Client, server: Arc<str>, now: Duration) {
        let met = Met {
            server,
            turn: self.next,
            last: now,
        };
        self.turns.insert(self.next, client);
        self.next += 1;
        if let Some(old) = self.clients.insert(client, met) {
            self.turns.remove(&old.turn);
        } else if self.clients.len() > self.most
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.clients.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn client(number: u8) -> Client {
        Client::of(Ipv4Addr::new(192, 0, 2, number).into(), None)
    }

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_meeting_lasts_until_the_timeout_after_the_last_one() {
        let mut table = Persisted::new(9);
        table.remember(client(1), "s1".into(), at(0));
        assert_eq!(
            table.meet(&client(1), TIMEOUT, at(10)).as_deref(),
            Some("s1")
        );
        assert_eq!(
            table.meet(&client(1), TIMEOUT, at(20)).as_deref(),
            Some("s1")
        );
        assert_eq!(table.meet(&client(1), TIMEOUT, at(31)), None);
        assert_eq!(table.meet(&client(2), TIMEOUT, at(31)), None);
        table.remember(client(1), "s2".into(), at(31));
        assert_eq!(
            table.meet(&client(1), TIMEOUT, at(32)).as_deref(),
            Some("s2")
        );
    }

    #[derive(Debug, Clone)]
    enum Step {
        Meet(u8),
        Remember(u8, u8),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let one = prop_oneof![
            (0u8..8).prop_map(Step::Meet),
            (0u8..8, 0u8..3).prop_map(|(client, server)| Step::Remember(client, server)),
            (1u64..8).prop_map(Step::Wait),
        ];
        prop::collection::vec(one, 0..200)
    }

    proptest! {
        /// The slow, obvious twin: a list with the newest at its end.
        #[test]
        fn the_twin_agrees(steps in steps(), most in 1usize..6) {
            let mut table = Persisted::new(most);
            let mut list: Vec<(Client, Arc<str>, u64)> = Vec::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += seconds,
                    Step::Remember(number, server) => {
                        let server: Arc<str> = format!("s{server}").into();
                        table.remember(client(number), server.clone(), at(now));
                        list.retain(|old| old.0 != client(number));
                        list.push((client(number), server, now));
                        if list.len() > most {
                            list.remove(0);
                        }
                    }
                    Step::Meet(number) => {
                        let got = table.meet(&client(number), TIMEOUT, at(now));
                        let found = list.iter().position(|old| old.0 == client(number));
                        let found = found.filter(|place| now - list[*place].2 <= 10);
                        let wanted = found.map(|place| {
                            let (client, server, _) = list.remove(place);
                            list.push((client, server.clone(), now));
                            server
                        });
                        prop_assert_eq!(got, wanted);
                    }
                }
                prop_assert_eq!(table.clients.len(), list.len());
                prop_assert_eq!(table.turns.len(), list.len());
            }
        }
    }
}
