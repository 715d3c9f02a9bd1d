//! What each refusal means and what mends it, for `farmux explain`.

/// One code in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// `FMX-S…`; S for state.
    pub code: &'static str,
    /// What it means.
    pub what: &'static str,
    /// What the operator does.
    pub mend: &'static str,
}

/// The explanation of a code of the state.
pub fn explanation(code: &str) -> Option<&'static Explanation> {
    EXPLANATIONS
        .iter()
        .find(|explanation| explanation.code == code)
}

const fn explain(code: &'static str, what: &'static str, mend: &'static str) -> Explanation {
    Explanation { code, what, mend }
}

/// Every code of the state, in order.
pub const EXPLANATIONS: &[Explanation] = &[
    explain(
        "FMX-S001",
        "The cluster exists; it is made only once.",
        "Join it from another machine: `farmux cluster token create` here, `farmux cluster join \
         TOKEN` there.",
    ),
    explain(
        "FMX-S002",
        "This machine belongs to no cluster yet.",
        "Make one with `farmux cluster init --name NAME`, or join one with `farmux cluster join \
         TOKEN`.",
    ),
    explain(
        "FMX-S010",
        "No node of the cluster has this id.",
        "See the nodes with `farmux status`.",
    ),
    explain(
        "FMX-S011",
        "What the node says of itself cannot be: see the message.",
        "Correct the addresses in its node.toml and restart it.",
    ),
    explain(
        "FMX-S012",
        "Two nodes may not be called the same.",
        "Give the new machine another `name` in its node.toml; or remove the old one first: \
         `farmux cluster remove NODE`.",
    ),
    explain(
        "FMX-S013",
        "Another node or a VIP uses this address.",
        "Give the machine an address of its own in node.toml; remove a node that is gone with \
         `farmux cluster remove NODE`.",
    ),
    explain(
        "FMX-S014",
        "Each change waits for a majority: more nodes would make the cluster slower, not safer.",
        "Remove a node first: `farmux cluster remove NODE`.",
    ),
    explain(
        "FMX-S015",
        "A witness holds no VIP: without a balancer nothing would be served.",
        "Let another balancer join first (`farmux cluster token create`), or end the maintenance \
         of one: `farmux node maintenance NODE off`.",
    ),
    explain(
        "FMX-S016",
        "A witness votes, but holds no VIP and balances nothing.",
        "Use a balancer; `farmux status` lists the nodes with their roles.",
    ),
    explain(
        "FMX-S020",
        "The cluster knows no such token: it was revoked, mistyped, or made by another cluster.",
        "Make a new one with `farmux cluster token create`.",
    ),
    explain(
        "FMX-S021",
        "A token is good for an hour unless `--ttl` says otherwise.",
        "Make a new one with `farmux cluster token create`; check both machines' clocks if it is \
         fresh.",
    ),
    explain(
        "FMX-S022",
        "A token is for one machine: its first use bound it to that machine's key.",
        "Make a new one with `farmux cluster token create`.",
    ),
    explain(
        "FMX-S023",
        "The token was made for the other role.",
        "Join with `--witness` exactly when the token was made with `--witness`.",
    ),
    explain(
        "FMX-S024",
        "A token lives between a second and a week.",
        "Choose a `--ttl` in that range; an hour is customary.",
    ),
    explain(
        "FMX-S025",
        "The same token was stored before.",
        "Make a new one with `farmux cluster token create`.",
    ),
    explain(
        "FMX-S026",
        "So many open tokens are an open door.",
        "Revoke some: `farmux cluster token list`, `farmux cluster token revoke ID`.",
    ),
    explain(
        "FMX-S030",
        "Somebody else changed the configuration since you read it.",
        "See `farmux config history`; export it anew, repeat your change, and apply again.",
    ),
    explain(
        "FMX-S031",
        "The configuration contradicts itself or exceeds a bound; each fault is named with its \
         place.",
        "Correct the places named; `farmux config apply --dry-run FILE` checks without changing \
         anything.",
    ),
    explain(
        "FMX-S032",
        "A name or note cannot be written down: empty, too long, or with control characters.",
        "Shorten it and write it on one line.",
    ),
    explain(
        "FMX-S033",
        "No farm is called so.",
        "See the farms with `farmux farm list`.",
    ),
    explain(
        "FMX-S034",
        "The farm has no such server.",
        "See its servers with `farmux farm show FARM`.",
    ),
    explain(
        "FMX-S035",
        "No VIP is called so.",
        "See the VIPs with `farmux status`.",
    ),
    explain(
        "FMX-S036",
        "No server of any farm has this address.",
        "See the servers with `farmux farm list` and `farmux farm show FARM`.",
    ),
    explain(
        "FMX-S037",
        "Without this server a service would have none left, and its clients would be turned away.",
        "Make another one ready first: `farmux farm show FARM` tells what is wrong with it. If \
         it is meant, add `--allow-empty`.",
    ),
    explain(
        "FMX-S038",
        "The configurations of the last 50 revisions are kept, fewer where they are very large.",
        "See the revisions with `farmux config history`; an older file of your own goes in with \
         `farmux config apply FILE`.",
    ),
    explain(
        "FMX-S040",
        "A node reported under a lease that has passed on to another: its report is out of date.",
        "Nothing: the present owner reports for itself. If it stays, compare `farmux status` on \
         the nodes.",
    ),
    explain(
        "FMX-S041",
        "A former leader's report came in late.",
        "Nothing: the present leader reports for itself.",
    ),
    explain(
        "FMX-S042",
        "One report carries a bounded number of changes, so that the log stays quick.",
        "Nothing: this is a fault of ours. Please report it with the log of the node.",
    ),
    explain(
        "FMX-S043",
        "A node's clock was set back while the majority was lost.",
        "Check that NTP runs on every node.",
    ),
    explain(
        "FMX-S044",
        "A node that owns a VIP reported a watch, which is the leader's to report.",
        "Nothing is to be done: the leader probes it. If it persists, two versions of farmux are \
         mixed: see `farmux status`.",
    ),
    explain(
        "FMX-S050",
        "No page has this id; the oldest settled pages are forgotten after 10,000.",
        "See the pages with `farmux page list`.",
    ),
    explain(
        "FMX-S051",
        "The page is not for this contact: its ladder does not name it, or it came later.",
        "See who gets it with `farmux page show ID`.",
    ),
    explain(
        "FMX-S052",
        "Somebody else took the page on.",
        "Talk to them: `farmux page show ID` says who and when.",
    ),
    explain(
        "FMX-S053",
        "The message's pages were forgotten; the oldest settled ones are, after 10,000.",
        "See the pages with `farmux page list`, and acknowledge them with `farmux page ack ID`.",
    ),
    explain(
        "FMX-S060",
        "So many administrators are more than anybody can answer for.",
        "Let certificates run out, or use one name for several machines.",
    ),
    explain(
        "FMX-S061",
        "No certificate was made for this name, or all of them have run out.",
        "See the administrators with `farmux admin-cert list`.",
    ),
    explain(
        "FMX-S062",
        "Certificates are told apart by their name: a new one would make the revoked ones good \
         again.",
        "Choose another name: `farmux admin-cert create NAME`.",
    ),
    explain(
        "FMX-S070",
        "A silence of less than a minute is over before anybody read of it; one of months hides \
         what should not be watched at all.",
        "Give it one minute (1m) to 30 days (30d): farmux silence add MATCH --for 2h -m WHY",
    ),
    explain(
        "FMX-S071",
        "Every page is held against each silence, so that there are not many at once.",
        "End some: farmux silence list, farmux silence end N; or match more with one.",
    ),
    explain(
        "FMX-S072",
        "It was never there, it was ended, or its time is over.",
        "See those that are in force: farmux silence list",
    ),
    explain(
        "FMX-S073",
        "Without a term a silence would hush everything; with many it hardly matches anything.",
        "Write one to ten terms, as in watch=web* or label:site=berlin.",
    ),
    explain(
        "FMX-S074",
        "Only maintenance ends by itself. One of less than a minute is over before anybody began; \
         one of months is no maintenance.",
        "Give it one minute (1m) to 30 days (30d): farmux server maintenance FARM/SERVER --for 2h",
    ),
    explain(
        "FMX-S080",
        "Somebody locked drills, with a reason: nothing is rehearsed until they are unlocked.",
        "Ask them; then: `farmux drill unlock`.",
    ),
    explain(
        "FMX-S081",
        "One failure at a time: two would prove nothing about either.",
        "Wait for it (`farmux drill history`), or end it: `farmux drill abort`.",
    ),
    explain(
        "FMX-S082",
        "No run has this number; of more than 1,000 the oldest are forgotten.",
        "See the runs with `farmux drill history`.",
    ),
    explain(
        "FMX-S083",
        "Each time of a schedule is used once: two leaders do not run the same drill.",
        "Nothing: it runs again when it is due next. By hand: `farmux drill run NAME`.",
    ),
];
