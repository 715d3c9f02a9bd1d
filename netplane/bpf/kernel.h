//! What the kernel gives a classifier, as far as the fence needs it: helpers, by their numbers in
//! `linux/bpf.h`, and the shape of a map's definition.
//!
//! Our own, so that a build needs clang and the kernel's headers (`linux-libc-dev`, which any C
//! compiler brings along), but no libbpf.

#pragma once

#include <linux/bpf.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* Byte order: the wire's is big; BPF has the machine's own. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TO_WIRE16(value) ((u16)__builtin_bswap16(value))
#else
#define TO_WIRE16(value) ((u16)(value))
#endif

static void *(*const map_lookup)(const void *map, const void *key) =
    (void *)BPF_FUNC_map_lookup_elem;
static long (*const load_bytes)(const void *skb, u32 offset, void *to, u32 length) =
    (void *)BPF_FUNC_skb_load_bytes;
/* Since 5.8; not reserved to programs under the GPL. */
static u64 (*const boottime_ns)(void) = (void *)BPF_FUNC_ktime_get_boot_ns;

/* A map's definition, as loaders without type information read it from the section "maps". */
struct map {
    u32 type;
    u32 key_size;
    u32 value_size;
    u32 max_entries;
    u32 map_flags;
    u32 id;
    u32 pinning;
};
