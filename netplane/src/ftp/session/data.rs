//! What befalls the data connection, and what that leads to.

use super::{Action, Asked, Data, DataEvent, Session};

impl Session {
    /// Something befell the data connection that was listened or dialed for last.
    pub(crate) fn data(&mut self, event: DataEvent, out: &mut Vec<Action>) {
        if !self.has_data() {
            // One that was released ends by itself.
            return;
        }
        match event {
            DataEvent::Met => {
                self.data = Data::Joined;
                if let Asked::Joining(line) = &self.asked {
                    out.push(Action::ToServer([line, &b"\r\n"[..]].concat()));
                    self.asked = Asked::Transfer { begun: false };
                }
                if self.held.is_some() {
                    out.push(Action::Settle);
                }
            }
            DataEvent::Failed(reason) => {
                self.data = Data::None;
                match self.asked {
                    Asked::Joining(_) => {
                        self.asked = Asked::Nothing;
                        self.refuse(reason, out);
                    }
                    // A transfer that waits for it is answered by the server, in its time.
                    Asked::Nothing
                    | Asked::Command
                    | Asked::Features
                    | Asked::Auth
                    | Asked::Passive(_)
                    | Asked::Listening(_)
                    | Asked::Transfer { .. } => out.push(Action::Count(reason)),
                }
                self.send_held(out);
            }
            DataEvent::Delivered if self.held.is_some() => {
                self.release(out);
                self.send_held(out);
            }
            DataEvent::Delivered => self.data = Data::Delivered,
            DataEvent::Ended => {
                self.data = Data::None;
                self.send_held(out);
            }
        }
    }

    /// The transfer went well; what is left of its connection is no longer ours to watch.
    pub(super) fn release(&mut self, out: &mut Vec<Action>) {
        self.data = Data::None;
        out.push(Action::Release);
    }

    pub(super) fn has_data(&self) -> bool {
        match self.data {
            Data::None | Data::Agreed { .. } => false,
            Data::Awaited | Data::Joined | Data::Delivered => true,
        }
    }
}
