//! 3xx: what was asked for; 4xx: pages; 9xx: farmux itself.

/// Hands on the entries so far, with its own behind them.
macro_rules! entries {
    ($($before:tt)*) => { crate::fault::entry::catalogue! {
    $($before)*

    ConfigUnreadable = 301, Refused, 422,
        "the configuration cannot be taken as it is written",
        "It is not valid TOML, has a field that farmux does not know, or says something that \
         cannot be: each place is named. Unknown fields are refused, so that a typing error is \
         not taken for a default.",
        "mend the line that is named; farmux config export   shows the form";
    ContactUnknown = 302, Refused, 404,
        "there is no such contact",
        "The configuration has no contact of this name.",
        "farmux config export";
    RequestInvalid = 303, Refused, 400,
        "the request is not understood",
        "The admin API got a body, a path or a parameter that is not of its form.",
        "farmux version   (use the command line of the same version)";
    RequestTooLarge = 304, Refused, 413,
        "the request is too large",
        "A request has at most 1 MiB.",
        "make the configuration smaller";
    NotFound = 305, Refused, 404,
        "the admin API has no such path",
        "The command line and the daemon are of different versions, or the path was typed by hand.",
        "farmux version";
    NotAdmin = 306, Refused, 403,
        "this is not for you",
        "The admin port serves certificates of role admin from this cluster's CA.",
        "farmux admin-cert create NAME   (as root on a node)";
    RequestSlow = 307, Unknown, 504,
        "the request took too long",
        "The daemon gives up a request after a minute. A change may have been made.",
        "farmux status   and   farmux config history";
    WatchUnknown = 308, Refused, 404,
        "there is no such watch",
        "The configuration has no watch of this name.",
        "farmux watch list";
    MatcherBad = 309, Refused, 400,
        "what shall be silenced is not well written",
        "Each word names what it looks at: watch=, farm=, server=, node=, vip= or label:NAME=.",
        "farmux silence add 'watch=web*' label:site=berlin --for 2h -m WHY";
    WatchesRefused = 340, Refused, 422,
        "the watches cannot be changed like that",
        "Each thing that is wrong is named, in a sheet with its line. Nothing was changed.",
        "mend what is named, and see what would change with --dry-run";
    EventsBusy = 341, Refused, 503,
        "too many wait for events",
        "64 followers at a time wait for something to happen; each holds a connection.",
        "ask again, or follow at another node: farmux events -f --connect NODE:9443 --cert FILE";

    PageUnknown = 401, Refused, 404,
        "there is no such page",
        "A page is named by its id or by the first digits of it. Old, settled pages are forgotten.",
        "farmux page list --all";
    DeliveryFailed = 402, Refused, 502,
        "a channel did not take the message",
        "Relay, webhook, paging server or collector was asked from this node and did not take it.",
        "mend the contact's channel (farmux config export), then: farmux contact test NAME";

    Broken = 901, Broken, 500,
        "something broke inside farmux or on this machine",
        "This should not happen: a file could not be written, or farmux has a fault of its own.",
        "journalctl -u farmux --since -10min";
    } };
}

pub(super) use entries;
