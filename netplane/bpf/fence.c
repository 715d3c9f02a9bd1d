//! The fence: it lets a VIP answer only while this machine may (vip-protocol.md, section 6).
//!
//!     wire ──▶ fence_in  ──▶ kernel        closed: nothing to the VIP, nobody who asks for it
//!     wire ◀── fence_out ◀── kernel        closed: nothing from the VIP, no word that it is here
//!                  │
//!        places: address ─▶ slot, interface      written by the daemon's VIP thread
//!        slots:  deadline, … │ last claim, …     written by its lease thread │ by us
//!
//! On the interface of a VIP the deadline decides; on every other one, ARP about the VIP is dropped
//! always. Whatever says that a VIP is elsewhere is noted, and ends a hold here, in this program.
//! Frames of a VLAN belong to another interface, which has a fence of its own. It changes nothing
//! and sends nothing. netplane/src/fence/layout.rs says the same of the maps in Rust; where one is
//! changed, both are, and LAYOUT there.

#include "kernel.h"

#define SLOTS 128       /* more VIPs than a configuration may have */
#define MACS 1024       /* interfaces of this machine */
#define REASONS 8       /* a power of two, so that a slot's counters lie beside each other */

/* Why a frame was dropped. */
enum reason {
    PACKET_IN,     /* to the VIP, closed */
    ASKED,         /* who has the VIP?, closed */
    PACKET_OUT,    /* from the VIP, closed */
    ANNOUNCED,     /* the VIP is here, closed */
    ELSEWHERE,     /* ARP about the VIP on an interface that is not its own */
    NEW_REFUSED,   /* a new connection while none may begin */
};

/* Where a VIP is. */
struct place {
    u32 slot;
    u32 interface;
};

/* What is known of a VIP; times are CLOCK_BOOTTIME in nanoseconds, 0 is never. */
struct slot {
    u64 until;          /* the deadline; past: closed */
    u64 open_from;      /* before: only announcements get out */
    u64 alone_since;    /* of a hold; a claim from then on ends it */
    u64 refuse_until;   /* until then no new connection begins */
    u64 claim_at;       /* last claim by a machine that is not this one */
    u64 claim_mac;      /* which one: six bytes as they stand in memory */
    u64 claims;         /* how many */
    u64 spare;
};

struct map SEC("maps") places = {
    .type = BPF_MAP_TYPE_HASH,
    .key_size = 16,
    .value_size = sizeof(struct place),
    .max_entries = SLOTS,
};

struct map SEC("maps") slots = {
    .type = BPF_MAP_TYPE_ARRAY,
    .key_size = sizeof(u32),
    .value_size = sizeof(struct slot),
    .max_entries = SLOTS,
    .map_flags = BPF_F_MMAPABLE,
};

struct map SEC("maps") macs = {
    .type = BPF_MAP_TYPE_HASH,
    .key_size = sizeof(u64),
    .value_size = sizeof(u32),
    .max_entries = MACS,
};

struct map SEC("maps") drops = {
    .type = BPF_MAP_TYPE_PERCPU_ARRAY,
    .key_size = sizeof(u32),
    .value_size = sizeof(u64),
    .max_entries = SLOTS * REASONS,
};

/* The next program, or the stack, decides; the frame goes no further. */
#define PASS (-1)
#define DROP 2

enum way { IN, OUT };
enum state { CLOSED, CLAIMING, OPEN };

/* An address as the key of `places`: IPv4 as ::ffff:a.b.c.d. */
union address {
    u8 bytes[16];
    u32 words[4];
};

/* A VIP that a frame is about. */
struct vip {
    struct place *place;
    struct slot *slot;
};

INLINE int drop(struct vip vip, enum reason reason)
{
    u32 key = vip.place->slot * REASONS + reason;
    u64 *count = map_lookup(&drops, &key);

    if (count)
        *count += 1;
    return DROP;
}

INLINE int find(const union address *address, struct vip *vip)
{
    vip->place = map_lookup(&places, address);
    if (!vip->place)
        return 0;
    u32 slot = vip->place->slot;
    vip->slot = map_lookup(&slots, &slot);
    return vip->slot != 0;
}

INLINE int find4(u32 address, struct vip *vip)
{
    union address key = {.words = {0, 0, 0, address}};

    key.bytes[10] = key.bytes[11] = 0xff;
    return find(&key, vip);
}

INLINE enum state state_of(const volatile struct slot *slot, u64 now)
{
    u64 alone_since = slot->alone_since;

    if (slot->until <= now || (alone_since && slot->claim_at >= alone_since))
        return CLOSED;
    return slot->open_from <= now ? OPEN : CLAIMING;
}

INLINE u64 as_key(const u8 *mac)
{
    union {
        u8 bytes[8];
        u64 key;
    } both = {.key = 0};

    __builtin_memcpy(both.bytes, mac, 6);
    return both.key;
}

/* Notes that `mac` says the VIP is its own, unless it is one of ours: our announcement looped back,
 * a second interface in the same network, the other half of a bond. */
INLINE void claimed(struct vip vip, const u8 *mac, u64 now)
{
    volatile struct slot *slot = vip.slot;
    u64 key = as_key(mac);

    if (map_lookup(&macs, &key))
        return;
    slot->claim_mac = key;
    slot->claim_at = now;
    __sync_fetch_and_add(&vip.slot->claims, 1);
}

/* ARP over Ethernet for IPv4 (RFC 826). */
struct arp {
    u16 hardware, protocol;
    u8 hardware_bytes, protocol_bytes;
    u16 operation;
    u8 sender_mac[6];
    u8 sender[4];
    u8 target_mac[6];
    u8 target[4];
};

/* Without a branch in it: how the compiler laid an array out is none of the verifier's business. */
INLINE u32 word(const u8 *bytes)
{
    u32 value;

    __builtin_memcpy(&value, bytes, 4);
    return value;
}

INLINE int judge_arp(struct __sk_buff *skb, u32 at, enum way way, u64 now)
{
    struct arp arp;
    struct vip vip;
    int verdict = PASS;

    if (load_bytes(skb, at, &arp, sizeof(arp)))
        return PASS;
    if (arp.protocol != TO_WIRE16(0x0800) || arp.hardware_bytes != 6 || arp.protocol_bytes != 4)
        return PASS;

    /* A probe (RFC 5227) has the sender 0.0.0.0, which is no VIP: no claim, and it gets out. */
    if (find4(word(arp.sender), &vip)) {
        if (vip.place->interface != skb->ifindex)
            return drop(vip, ELSEWHERE);
        if (way == IN)
            claimed(vip, arp.sender_mac, now);
        else if (state_of(vip.slot, now) == CLOSED)
            return drop(vip, ANNOUNCED);
    }
    if (find4(word(arp.target), &vip)) {
        if (vip.place->interface != skb->ifindex)
            return drop(vip, ELSEWHERE);
        if (way == IN && arp.operation == TO_WIRE16(1) && state_of(vip.slot, now) != OPEN)
            return drop(vip, ASKED);
    }
    return verdict;
}

/* What both kinds of packet have in common: open, or dropped. */
INLINE int judge_packet(struct vip vip, enum way way, u64 now)
{
    if (state_of(vip.slot, now) != OPEN)
        return drop(vip, way == IN ? PACKET_IN : PACKET_OUT);
    return PASS;
}

#define TCP 6

/* A new connection, while none may begin: its client asks again, of whoever is owner then. */
INLINE int judge_tcp(struct __sk_buff *skb, u32 at, struct vip vip, u64 now)
{
    u8 flags;

    if (((volatile struct slot *)vip.slot)->refuse_until <= now)
        return PASS;
    /* SYN without ACK (RFC 9293, section 3.1). */
    if (load_bytes(skb, at + 13, &flags, 1) || (flags & 0x12) != 0x02)
        return PASS;
    return drop(vip, NEW_REFUSED);
}

/* The fixed part of an IPv4 header (RFC 791). */
struct ip4 {
    u8 version_length, service;
    u16 length, id, fragment;
    u8 lifetime, protocol;
    u16 sum;
    u8 source[4];
    u8 destination[4];
};

INLINE int judge_ip4(struct __sk_buff *skb, u32 at, enum way way, u64 now)
{
    struct ip4 ip;
    struct vip vip;

    if (load_bytes(skb, at, &ip, sizeof(ip)))
        return PASS;
    if (!find4(word(way == IN ? ip.destination : ip.source), &vip))
        return PASS;
    if (vip.place->interface != skb->ifindex)
        return PASS;
    int verdict = judge_packet(vip, way, now);
    if (verdict != PASS || way == OUT || ip.protocol != TCP)
        return verdict;
    /* Only a first fragment has a TCP header. */
    if (ip.fragment & TO_WIRE16(0x1fff))
        return PASS;
    return judge_tcp(skb, at + (ip.version_length & 0x0f) * 4, vip, now);
}

/* The fixed header of IPv6 (RFC 8200). */
struct ip6 {
    u32 flow;
    u16 length;
    u8 next, hops;
    u8 source[16];
    u8 destination[16];
};

/* What the headers lead to. */
struct inner {
    u8 protocol;   /* 59 (nothing follows) where it cannot be told */
    u32 at;
};

#define NOTHING 59
#define ICMP6 58
/* Nobody sends longer chains; what hides behind one is answered by this kernel without any, and
 * that answer meets the fence on its way out. */
#define EXTENSIONS_MAX 8

/* Steps over extension headers (RFC 8200, section 4; RFC 4302 for 51). */
INLINE struct inner inner_of(struct __sk_buff *skb, u32 at, u8 next)
{
    struct inner inner = {.protocol = NOTHING, .at = 0};
    struct {
        u8 next, length;
        u16 fragment;
    } extension;

#pragma unroll
    for (int count = 0; count < EXTENSIONS_MAX; count++) {
        if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60 && next != 135) {
            inner.protocol = next;
            inner.at = at;
            return inner;
        }
        if (load_bytes(skb, at, &extension, sizeof(extension)))
            return inner;
        /* Only a first fragment has what follows. */
        if (next == 44 && (extension.fragment & TO_WIRE16(0xfff8)))
            return inner;
        if (next == 44)
            at += 8;
        else if (next == 51)
            at += (extension.length + 2) * 4;
        else
            at += (extension.length + 1) * 8;
        next = extension.next;
    }
    return inner;
}

/* The fixed part of a neighbour solicitation or advertisement, and the first option (RFC 4861,
 * sections 4.3, 4.4 and 4.6.1). */
struct neighbour {
    u8 type, code;
    u16 sum;
    u32 flags;
    union address target;
};

struct option {
    u8 type, length;
    u8 mac[6];
};

#define SOLICITATION 135
#define ADVERTISEMENT 136
#define TARGET_MAC 2

/* Not about a VIP. */
#define UNDECIDED 1

INLINE int judge_neighbour(struct __sk_buff *skb, u32 at, enum way way, u64 now)
{
    struct neighbour about;
    struct option option;
    struct vip vip;
    u8 mac[6];

    if (load_bytes(skb, at, &about, sizeof(about)))
        return UNDECIDED;
    if (about.type != SOLICITATION && about.type != ADVERTISEMENT)
        return UNDECIDED;
    if (!find(&about.target, &vip))
        return UNDECIDED;
    if (vip.place->interface != skb->ifindex)
        return drop(vip, ELSEWHERE);
    if (about.type == SOLICITATION) {
        if (way == IN && state_of(vip.slot, now) != OPEN)
            return drop(vip, ASKED);
        return UNDECIDED;
    }
    if (way == OUT)
        return state_of(vip.slot, now) == CLOSED ? drop(vip, ANNOUNCED) : PASS;
    /* The option names the machine even where somebody relays; else the sender counts. */
    if (!load_bytes(skb, at + sizeof(about), &option, sizeof(option)) &&
        option.type == TARGET_MAC && option.length == 1)
        claimed(vip, option.mac, now);
    else if (!load_bytes(skb, 6, mac, sizeof(mac)))
        claimed(vip, mac, now);
    return UNDECIDED;
}

INLINE int judge_ip6(struct __sk_buff *skb, u32 at, enum way way, u64 now)
{
    struct ip6 ip;
    struct vip vip;
    union address address;

    if (load_bytes(skb, at, &ip, sizeof(ip)))
        return PASS;
    struct inner inner = inner_of(skb, at + sizeof(ip), ip.next);
    if (inner.protocol == ICMP6) {
        int verdict = judge_neighbour(skb, inner.at, way, now);
        if (verdict != UNDECIDED)
            return verdict;
    }
    __builtin_memcpy(address.bytes, way == IN ? ip.destination : ip.source, 16);
    if (!find(&address, &vip) || vip.place->interface != skb->ifindex)
        return PASS;
    int verdict = judge_packet(vip, way, now);
    if (verdict != PASS || way == OUT || inner.protocol != TCP)
        return verdict;
    return judge_tcp(skb, inner.at, vip, now);
}

#define ETHERNET_BYTES 14
/* As many priority tags inside a frame as the kernel's own stack is known to meet. */
#define TAGS_MAX 2

INLINE int judge(struct __sk_buff *skb, enum way way)
{
    u32 at = ETHERNET_BYTES;
    u16 type;

    /* A VLAN is another network with an interface of its own; its number 0 is only a priority. */
    if (skb->vlan_present && (skb->vlan_tci & 0x0fff))
        return PASS;
    if (load_bytes(skb, 12, &type, sizeof(type)))
        return PASS;
#pragma unroll
    for (int count = 0; count < TAGS_MAX; count++) {
        u16 tag[2];

        if (type != TO_WIRE16(0x8100) && type != TO_WIRE16(0x88a8))
            break;
        if (load_bytes(skb, at, tag, sizeof(tag)) || (tag[0] & TO_WIRE16(0x0fff)))
            return PASS;
        type = tag[1];
        at += sizeof(tag);
    }
    if (type == TO_WIRE16(0x0800))
        return judge_ip4(skb, at, way, boottime_ns());
    if (type == TO_WIRE16(0x86dd))
        return judge_ip6(skb, at, way, boottime_ns());
    if (type == TO_WIRE16(0x0806))
        return judge_arp(skb, at, way, boottime_ns());
    return PASS;
}

SEC("classifier/in") int fence_in(struct __sk_buff *skb)
{
    return judge(skb, IN);
}

SEC("classifier/out") int fence_out(struct __sk_buff *skb)
{
    return judge(skb, OUT);
}

/* It calls nothing that is reserved to programs under the GPL. */
char licence[] SEC("license") = "Apache-2.0";
