/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snapshot: every number of one moment, as plain data.
 *
 * Counters, shards and self-metrics flow into a snapshot; the encoder is the only reader. It is
 * immutable once built and shared by reference: several scrapes may read one at the same time.
 * Times are monotonic where they are kept and gathered, and wall clock in a finished snapshot.
 */
#ifndef PE_SAMPLE_H
#define PE_SAMPLE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/abi_dns.h"
#include "pe/abi_drops.h"
#include "pe/flow.h"
#include "pe/group.h"
#include "pe/identity.h"
#include "pe/row.h"

struct pe_arena;

/* ---- flows ---- */

/*
 * Upper bounds of histograms, each once: X(number, text), where the text is what is exposed. It is
 * written as Go writes such a number, and so also as the Pushgateway shows what was pushed. For
 * 1, 5 or 10, and other numbers up to 10 and powers of ten, OpenMetrics asks for another text
 * ("5.0"): such bounds would have two names in a database, so there are none. The last bucket is
 * +Inf.
 */
/* clang-format off */
#define PE_DURATION_BOUNDS_MS(X)                                                           \
	X(10, "0.01") X(50, "0.05") X(100, "0.1") X(500, "0.5") X(1500, "1.5") X(5500, "5.5") \
	X(15000, "15") X(30000, "30") X(60000, "60") X(300000, "300") X(1800000, "1800")
#define PE_FLOW_SIZE_BOUNDS(X)                                                             \
	X(0x100, "256") X(0x400, "1024") X(0x1000, "4096") X(0x4000, "16384")              \
	X(0x10000, "65536") X(0x40000, "262144") X(0x100000, "1.048576e+06")               \
	X(0x400000, "4.194304e+06") X(0x1000000, "1.6777216e+07")                          \
	X(0x4000000, "6.7108864e+07") X(0x10000000, "2.68435456e+08")                      \
	X(0x40000000, "1.073741824e+09")
#define PE_LATENCY_BOUNDS_US(X)                                                            \
	X(10, "1e-05") X(50, "5e-05") X(100, "0.0001") X(500, "0.0005") X(1000, "0.001")   \
	X(5000, "0.005") X(10000, "0.01") X(50000, "0.05") X(100000, "0.1")                \
	X(500000, "0.5") X(2500000, "2.5")
/* Of the kernel side, whose tables are made for these (size_bucket() in bpf/account.h). */
#define PE_SIZE_BOUNDS(X)                                                                  \
	X(64, "64") X(128, "128") X(256, "256") X(512, "512") X(1024, "1024")    \
	X(2048, "2048") X(4096, "4096") X(8192, "8192") X(16384, "16384")          \
	X(32768, "32768") X(65536, "65536")
/* clang-format on */
#define PE_BOUND_ONE(number, text)    +1
#define PE_BOUND_NUMBER(number, text) number,
#define PE_DURATION_BUCKETS	      (1 PE_DURATION_BOUNDS_MS(PE_BOUND_ONE))
#define PE_FLOW_SIZE_BUCKETS	      (1 PE_FLOW_SIZE_BOUNDS(PE_BOUND_ONE))
#define PE_LATENCY_BUCKETS	      (1 PE_LATENCY_BOUNDS_US(PE_BOUND_ONE))
_Static_assert((1 PE_SIZE_BOUNDS(PE_BOUND_ONE)) == PE_SIZE_BUCKETS, "the kernel side's");

/* Protocols of IP: X(enum pe_proto without its prefix, its name in labels). */
#define PE_PROTOS(X)        \
	X(OTHER, "other")   \
	X(TCP, "tcp")       \
	X(UDP, "udp")       \
	X(ICMP, "icmp")     \
	X(ICMPV6, "icmpv6") \
	X(SCTP, "sctp")     \
	X(IGMP, "igmp")     \
	X(GRE, "gre")       \
	X(ESP, "esp")       \
	X(AH, "ah")         \
	X(IPIP, "ipip")     \
	X(IPV6, "ipv6")
#define PE_PROTO_ONE(proto, name) +1
_Static_assert((0 PE_PROTOS(PE_PROTO_ONE)) == PE_PROTO_COUNT, "every protocol has a name");

/* The flows of one interface and one protocol. */
struct pe_flow_stats {
	uint64_t flows[PE_DIRECTIONS]; /* seen for the first time */
	/* Flows that ended, both directions. Buckets are not cumulative. */
	uint64_t duration[PE_DURATION_BUCKETS];
	uint64_t duration_sum_ns;
	uint64_t size[PE_FLOW_SIZE_BUCKETS];
	uint64_t size_sum_bytes;
};

struct pe_top_flow {
	struct pe_flow_key key;
	struct pe_count count;
	uint64_t since_ns; /* wall clock: when it became one of the largest; the count starts there
			    */
};

/* Of flows that are not among the largest. */
struct pe_flow_rest {
	struct pe_count count[PE_DIRECTIONS][PE_PROTO_COUNT];
};

/* The flows of one interface. Protocols that never occurred are NULL. */
struct pe_flow_sample {
	uint64_t active;
	struct pe_flow_stats *proto[PE_PROTO_COUNT];
	struct pe_top_flow *top; /* at most K, largest first */
	size_t top_count;
	/* All other flows: top and rest together are every packet that reached a worker. NULL
	 * without --flows.top, and where all are largest: see pe_flow_rest(). */
	struct pe_flow_rest *rest;
};

/* ---- interfaces ---- */

enum pe_mode {
	PE_MODE_NONE,	    /* ingress is not counted */
	PE_MODE_NATIVE,	    /* XDP in the driver */
	PE_MODE_GENERIC,    /* XDP in the network stack */
	PE_MODE_TRACEPOINT, /* the kernel's receive tracepoint: where XDP cannot be */
	PE_MODE_TCX,	    /* a TCX program: where the tracepoint sees nothing either */
	PE_MODE_COUNT,
};

/* Why ingress is not counted by the mode that was asked for. */
enum pe_mode_reason {
	PE_REASON_NONE,		  /* it is */
	PE_REASON_BUSY,		  /* an XDP program of somebody else is on it or on its bridge */
	PE_REASON_UPPER,	  /* one of ours is on an interface above it */
	PE_REASON_HARDWARE,	  /* many drivers restart the card when a program is attached */
	PE_REASON_GRO,		  /* generic XDP would switch GRO off */
	PE_REASON_OFFLOAD,	  /* likewise a receive offload of the card below it */
	PE_REASON_KIND,		  /* no program sees its packets as its own counters do */
	PE_REASON_BRIDGE,	  /* with a program of its own, its ports could have none */
	PE_REASON_NEW,		  /* XDP follows when the kernel is less busy with interfaces */
	PE_REASON_LOAD,		  /* generic XDP would slow down what it receives */
	PE_REASON_NATIVE_REFUSED, /* by the driver, so it is as with auto */
	PE_REASON_REFUSED,	  /* by the kernel or the driver */
	PE_REASON_NO_SLOT,	  /* more interfaces than --max-interfaces */
	PE_REASON_NO_MEMORY,	  /* of the kernel or the process */
	PE_REASON_COUNT,
};

enum pe_unobserved {
	PE_UNOBSERVED_BEFORE_ATTACH,
	PE_UNOBSERVED_LOST,
	PE_UNOBSERVED_REASONS,
};

#define PE_KIND_MAX 16 /* as PE_LINK_KIND_MAX */

/* What identifies an interface to people. Names are the kernel's bytes, perhaps not UTF-8. Most
 * have neither alias nor altnames, so that these are borrowed texts, and in a snapshot its own. */
struct pe_iface_info {
	int ifindex;
	char name[IFNAMSIZ];
	const char *alias;	/* NULL is "", but in a snapshot it is not NULL */
	const char *altnames;	/* likewise; separated by commas */
	char kind[PE_KIND_MAX]; /* "" for hardware */
	char master[IFNAMSIZ];	/* name, "" if none */
	enum pe_mode mode;
	enum pe_mode_reason mode_reason;
};

/* What is counted, whatever it is counted for. */
struct pe_series_body {
	uint64_t created_ns; /* wall clock: when these counters began at zero */
	struct pe_row row[PE_DIRECTIONS];
	struct pe_count unobserved[PE_DIRECTIONS][PE_UNOBSERVED_REASONS];
	struct pe_count overcounted[PE_DIRECTIONS]; /* above the kernel's own counters */
	struct pe_flow_sample flows;
	struct pe_drop_row *drops; /* by the places of struct pe_drop_reasons; NULL: none */
	struct pe_tcp_counts *tcp; /* of the host and groups; NULL if there is nothing */
	struct pe_dns_row *dns;	   /* NULL: none */
};

/* What went wrong with connections: of the network namespace that an interface leads to, or of a
 * group's. */
struct pe_tcp_summary {
	uint64_t retransmitted; /* segments */
	uint64_t failed;	/* connections that never were there: but for abandoned ones */
	uint64_t reset;		/* that were, and ended by a reset or for want of an answer */
};

struct pe_iface_sample {
	struct pe_iface_info info;
	struct pe_identity *identity; /* who is behind it, NULL if unknown; the snapshot's */
	bool departed;	      /* gone, kept for the retention; has no mode and no active flows */
	uint64_t departed_ns; /* wall clock; 0 of a live one */
	/* Packets, by the interface's own counters: of a departed one as they were last read. */
	uint64_t dropped[PE_DIRECTIONS];
	uint64_t errors[PE_DIRECTIONS];
	bool has_tcp; /* it leads to a namespace whose connections are counted */
	struct pe_tcp_summary tcp;
	struct pe_series_body body;
};

/*
 * What interfaces have counted together since the first of them, live and departed ones: of a
 * group, of the whole host, or of those that wait for their identity. Largest flows are in `rest`.
 * What was counted in one group never moves to another.
 */
struct pe_group_sample {
	const char *label[PE_GROUP_LABELS]; /* never NULL; "" if groups do not differ in it */
	uint64_t interfaces;		    /* live members: arrived - departed */
	uint64_t arrived;		    /* appeared, or came from another group */
	uint64_t departed;		    /* gone, or members of another group now */
	/*
	 * What interfaces that are gone had moved, wherever they had counted it, in the group of
	 * which they were members last. Over all groups and `waiting` it is what every interface
	 * that is gone had moved. A group that ends (--group.max) leaves it to PE_GROUP_OTHER; one
	 * of the same labels that comes later has another id. Not of the host.
	 */
	struct pe_count ended[PE_DIRECTIONS];
	uint64_t ended_ns;	   /* wall clock: the last of them went; 0: none did */
	uint64_t id;		   /* of PE_GROUP_OTHER: PE_GROUP_OTHER_ID */
	struct pe_tcp_summary tcp; /* of body.tcp; in a snapshot nobody has summed it up */
	struct pe_series_body body;
};

/* ---- the exporter itself ---- */

struct pe_latency {
	uint64_t bucket[PE_LATENCY_BUCKETS]; /* not cumulative */
	uint64_t sum_ns;
};

enum pe_attach_error {
	PE_ATTACH_BUSY,	     /* another XDP program is there */
	PE_ATTACH_REFUSED,   /* the driver or kernel said no */
	PE_ATTACH_NO_SLOT,   /* more interfaces than --max-interfaces */
	PE_ATTACH_VANISHED,  /* gone before we came */
	PE_ATTACH_NO_MEMORY, /* kernel or process memory */
	PE_ATTACH_ERRORS,
};

/* How a request of a sink ended: a destination to which the numbers are delivered. */
enum pe_sink_result {
	PE_SINK_OK,
	PE_SINK_NETWORK,  /* no connection, reset, time-out */
	PE_SINK_REJECTED, /* 4xx or a redirect */
	PE_SINK_SERVER,	  /* 5xx */
	PE_SINK_RESULTS,
};

/* What became of samples that a sink was to send. */
enum pe_sink_sample_result {
	PE_SINK_SAMPLE_SENT,
	PE_SINK_SAMPLE_REJECTED,	/* the peer refused them for good */
	PE_SINK_SAMPLE_EXPIRED,		/* too much waited to be sent, or too long */
	PE_SINK_SAMPLE_THINNED,		/* too much waited, and counters lose nothing by it */
	PE_SINK_SAMPLE_CORRUPT,		/* what waited is damaged */
	PE_SINK_SAMPLE_MAYBE_DELIVERED, /* likewise, and they had been sent without an answer */
	PE_SINK_SAMPLE_RESULTS,
};

#define PE_HTTP_CODES 10
struct pe_http_sample {
	/* Requests by status code; a code is 0 where the table ends. */
	struct {
		unsigned int code;
		uint64_t count;
	} requests[PE_HTTP_CODES];
	struct pe_latency scrape_duration; /* building and encoding, not the network */
	uint64_t connections_evicted;	   /* for new ones, or for fresh numbers */
	bool reload_successful;		   /* the last reading of the web configuration */
	uint64_t reload_success_ns;	   /* wall clock: the last that succeeded */
};

struct pe_sink_sample {
	bool enabled;
	uint64_t requests[PE_SINK_RESULTS];
	struct pe_latency duration;
	uint64_t last_success_ns; /* wall clock, 0 if never */
	uint64_t interval_ns;	  /* between two of them, as configured */
	bool reduced; /* the peer refuses part of it (--metrics.legacy's series) and gets the rest
		       */
	/* Of sinks that queue: */
	const char *url; /* without credentials; in a snapshot it is the snapshot's */
	uint64_t samples[PE_SINK_SAMPLE_RESULTS];
	uint64_t pending_samples;
	uint64_t pending_bytes;
	uint64_t spool_bytes;
	uint64_t oldest_ns; /* wall clock: of those that wait, 0 if none does */
};

#define PE_SINKS_OF_PROTOCOL_MAX 8
#define PE_SINKS_MAX		 (2 * PE_SINKS_OF_PROTOCOL_MAX) /* remote write and OTLP */

struct pe_process_sample {
	uint64_t cpu_ns;
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t open_fds;
	uint64_t max_fds;
	uint64_t threads;
	uint64_t start_ns; /* wall clock */
};

/* What the sandbox is made of. */
enum pe_sandbox_part {
	PE_SANDBOX_CALLS, /* seccomp */
	PE_SANDBOX_FILES, /* Landlock */
	PE_SANDBOX_PARTS,
};

struct pe_self_sample {
	uint64_t created_ns; /* wall clock: start of the exporter */
	uint64_t interfaces_attached[PE_MODE_COUNT];
	struct pe_latency attach;
	uint64_t attach_errors[PE_ATTACH_ERRORS];
	bool egress_available;
	uint64_t netlink_messages;
	uint64_t netlink_invalid;
	uint64_t netlink_overruns;
	uint64_t netlink_resyncs;
	uint64_t drops_missed;		/* they interrupted the counting of others */
	uint64_t dns_missed;		/* packets, likewise */
	uint64_t early_packets_missed;	/* of interfaces not known yet, for want of a provisional
					   slot */
	uint64_t flow_records;		/* that reached a worker */
	uint64_t flow_records_orphaned; /* of an interface that was already forgotten */
	uint64_t flow_records_lost;	/* the ring was full */
	uint64_t flow_bypassed_packets; /* found the cache busy */
	uint64_t flow_evictions[PE_EVICT_REASONS];
	uint64_t flow_table_full;	   /* flows ended early because a worker's table was full */
	uint64_t top_flow_records_dropped; /* memory was refused */
	uint64_t departed_early; /* folded before the retention because there were too many */
	uint64_t kernel_map_bytes;
	uint64_t tcp_unplaced;		    /* events of network namespaces that found no place */
	uint64_t sandbox[PE_SANDBOX_PARTS]; /* 1 if it is in force */
	uint64_t denied_system_calls;
	struct pe_identities_stats identity;
	struct pe_http_sample http;
	struct pe_sink_sample push;
	struct pe_sink_sample sinks[PE_SINKS_MAX]; /* of remote write and OTLP */
	size_t sink_count;
	bool identity_enabled;
	struct pe_process_sample process;
};

/*
 * Why the kernel dropped, by place in struct pe_drop_row. No reason is there twice: `place` says
 * with which other place one is to be added up.
 */
struct pe_drop_reasons {
	bool counted;			   /* drops are */
	const char *name[PE_DROP_REASONS]; /* NULL: none; valid as long as drops are counted */
	uint8_t place[PE_DROP_REASONS];
};

/* ---- all of it ---- */

struct pe_snapshot {
	unsigned int references;	/* atomic; pe_snapshot_ref() and pe_snapshot_unref() */
	struct pe_arena *arena;		/* owns everything below */
	uint64_t taken_ns;		/* wall clock */
	struct pe_iface_sample *ifaces; /* sorted by name (bytewise), no name twice */
	size_t iface_count;
	/*
	 * In every counter, host = the sum over the groups and `waiting` (but for `arrived` and
	 * `departed`, which changes of group are in); the sum over the interfaces is not more,
	 * because those whose series have ended are not among them. Host and groups never decrease;
	 * what a group that ends (--group.max) has counted goes on in PE_GROUP_OTHER. `waiting` is
	 * what waits for its identity and is in no group yet. host and waiting are NULL in a
	 * snapshot without groups.
	 */
	struct pe_group_sample *groups; /* sorted by their labels (bytewise) */
	size_t group_count;
	unsigned int group_by; /* set of PE_GROUP_BIT() */
	struct pe_group_sample *host;
	struct pe_group_sample *waiting;
	struct pe_drop_reasons drop_reasons;
	bool top_flows; /* --flows.top is on */
	bool no_flows;	/* --flows=off */
	bool tcp;	/* outcomes of connections are counted */
	bool overflows; /* and those of listening sockets */
	bool dns;	/* DNS is counted */
	struct pe_self_sample self;
};

/* Makes an empty snapshot with one reference, the caller's. It is filled by one thread; then nobody
 * changes it, and any may read it. 0 or -ENOMEM. */
int pe_snapshot_new(struct pe_snapshot **ret_snapshot);
/* Takes a further reference, the caller's. Returns the snapshot. Any thread. */
struct pe_snapshot *pe_snapshot_ref(struct pe_snapshot *snapshot);
/* Gives a reference back; the last one frees. NULL is fine. Returns NULL. Any thread. */
struct pe_snapshot *pe_snapshot_unref(struct pe_snapshot *snapshot);

/*
 * Turns every time in a snapshot under construction from monotonic to wall clock; 0 stays 0, for
 * never. `offset_ns` is pe_clock_wall_offset_ns().
 */
void pe_snapshot_to_wall(struct pe_snapshot *snapshot, int64_t offset_ns);

/*
 * Makes `count` interfaces in the snapshot's arena, zero but for their alias and altnames, aligned
 * as rows want it, and sets ifaces and iface_count. 0 or -ENOMEM.
 */
int pe_snapshot_alloc_ifaces(struct pe_snapshot *snapshot, size_t count);

/* Likewise `count` groups, their labels "", and sets groups, group_count, host and waiting. */
int pe_snapshot_alloc_groups(struct pe_snapshot *snapshot, size_t count);

/* Adds one observation. Not atomic: the caller has the lock or is alone. */
void pe_latency_observe(struct pe_latency *latency, uint64_t ns);

/* a += b. */
static inline void pe_count_add(struct pe_count *a, const struct pe_count *b)
{
	a->packets += b->packets;
	a->bytes += b->bytes;
}

/* Whether any packet was counted on the host. */
bool pe_snapshot_has_packets(const struct pe_snapshot *snapshot);

/* summary += what `more` has of it. */
void pe_tcp_summarize(struct pe_tcp_summary *summary, const struct pe_tcp_counts *more);
/* a += b. */
void pe_tcp_add(struct pe_tcp_counts *a, const struct pe_tcp_counts *b);
bool pe_tcp_is_zero(const struct pe_tcp_counts *counts);
/* a += b, word by word. */
void pe_row_add(struct pe_row *a, const struct pe_row *b);
/* Packets and bytes over all classes. */
struct pe_count pe_row_total(const struct pe_row *row);
/*
 * a += b. Missing protocols of `a` are allocated from the arena. 0 or -ENOMEM (nothing was added
 * then). Top flows of b are folded into a's rest; a's own top flows stay.
 */
int pe_flow_sample_add(struct pe_flow_sample *a, const struct pe_flow_sample *b,
		       struct pe_arena *arena);

/* What a protocol has in the rest. Any thread. */
static inline struct pe_count pe_flow_rest(const struct pe_flow_sample *flows, size_t direction,
					   size_t proto)
{
	return flows->rest ? flows->rest->count[direction][proto] : (struct pe_count){ 0 };
}

/* The rest, made in the arena if there is none yet; NULL if memory is refused. */
struct pe_flow_rest *pe_flow_rest_make(struct pe_flow_sample *flows, struct pe_arena *arena);

/* a += b, where `a` is made in the arena if there is none. 0 or -ENOMEM. */
int pe_drop_row_add(struct pe_drop_row **a, const struct pe_drop_row *b, struct pe_arena *arena);
/* Packets of a reason in a direction, of all places that have it; 0 of no row. */
uint64_t pe_drop_row_sum(const struct pe_drop_row *row, const struct pe_drop_reasons *reasons,
			 size_t direction, size_t place);

/* Likewise. */
int pe_dns_row_add(struct pe_dns_row **a, const struct pe_dns_row *b, struct pe_arena *arena);

/* Adds all but created_ns, otherwise as pe_flow_sample_add(). */
int pe_series_body_add(struct pe_series_body *a, const struct pe_series_body *b,
		       struct pe_arena *arena);

/* The `protocol` label of a protocol. For tests. */
const char *pe_proto_name(enum pe_proto proto);
/* Of an IP protocol number (IANA). */
enum pe_proto pe_proto_from_ip(uint8_t ip_proto);
/* Whether ports distinguish its flows. */
bool pe_proto_has_ports(enum pe_proto proto);
const char *pe_mode_name(enum pe_mode mode);
const char *pe_mode_reason_name(enum pe_mode_reason reason);

#endif
