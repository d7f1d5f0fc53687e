//! Every stat, once: its name, its kind, its labels, what it tells, and what to do when it moves.
//! `docs/metrics.md` is made of this list.

/// Envoy's kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// What there is to say of a stat, whatever its labels' values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Described {
    /// Behind `kafka_remapper_`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// In the order in which they stand in the name, the label `remapper` left out.
    pub(crate) labels: &'static [&'static str],
    /// Markdown.
    pub(crate) tells: &'static str,
    /// Markdown; may be empty.
    pub(crate) act: &'static str,
}

macro_rules! stats {
    ($($section:literal: [$($id:ident: $kind:ident, $name:literal, $labels:expr, $tells:literal, $act:literal;)*];)*) => {
        $($(pub(super) const $id: Described =
            Described { name: $name, kind: Kind::$kind, labels: &$labels, tells: $tells, act: $act };)*)*

        /// All stats by the sections of the document.
        pub(super) const SECTIONS: &[(&str, &[Described])] = &[$(($section, &[$($id),*])),*];
    };
}

stats! {
    "What runs": [
        BUILD_INFO: Gauge, "build_info", ["version"],
            "1 for the version of the filter that runs, 0 for one that ran before in the same process.",
            "Two versions with 1 among your Envoys: an upgrade is under way, or has stopped half-way.";
        CONFIGURATION_INFO: Gauge, "configuration_info", ["hash"],
            "1 for the configuration that is in force, 0 for those that were. `hash`: the first 12 hexadecimal digits of \
             the SHA-256 of the configuration's text, as Envoy hands it to the filter: of a `Struct`, the JSON that Envoy \
             makes of it.",
            "Two hashes with 1 among Envoys of one cluster that should be equal: one of them has not taken the new \
             file. Look for `update_rejected` below.";
        TOPIC_VIRTUAL_PARTITIONS: Gauge, "topic_virtual_partitions", ["topic"],
            "How many partitions clients see, by the configuration in force. 0: the topic had an entry of its own, and \
             has none any more.",
            "";
        TOPIC_PHYSICAL_PARTITIONS: Gauge, "topic_physical_partitions", ["topic"],
            "How many partitions the topic must have on the cluster, by the configuration in force.",
            "Differs from the cluster: the topic is refused, and `topic_refused_total` grows.";
    ];
    "Connections": [
        CONNECTIONS_ACTIVE: Gauge, "connections_active", [],
            "Client connections that are open.",
            "Falls to nothing while clients run: they cannot reach Envoy, or are refused before the filter.";
        CONNECTIONS_TOTAL: Counter, "connections_total", [],
            "Client connections that were opened.",
            "Grows fast while `connections_active` stays: clients are thrown out, and come again. See \
             `reconnects_total` and `errors_total`.";
        RECONNECTS: Counter, "reconnects_total", ["reason"],
            "Connections that the filter ended although nobody did anything wrong, or so that the client starts anew: it \
             comes back, and is then served. The reasons are in the table below.",
            "Each reason has its own remedy: see the table.";
        ERRORS: Counter, "errors_total", ["blame"],
            "Faults that somebody has to act on; `blame` says who: `client`, `broker`, `config` (whoever wrote the \
             configuration) or `bug` (whoever wrote the filter). A fault ends its connection, but for topics that do not \
             fit, and brokers that `advertise` does not name.",
            "The log has a line for each kind. `bug` must never grow: please report it.";
        BYTES_RECEIVED: Counter, "bytes_received_total", [],
            "Bytes from clients, once they have been handed on or read.", "";
        BYTES_SENT: Counter, "bytes_sent_total", [], "Bytes to clients.", "";
        ADVERTISED_AROUND: Counter, "advertised_around_total", [],
            "Answers that gave a broker its own address, where `advertise` should give another.",
            "Clients that connect there go around the filter: mend `advertise`.";
        ADVERTISED_UNREACHED: Counter, "advertised_unreached_total", [],
            "Brokers that clients are told of, and that no connection comes in for.",
            "Envoy does not listen where `advertise` sends clients: a part of the keys times out. The log names broker \
             and address. Clients that only ask for metadata, and never connect to a broker that it names, cause it too.";
    ];
    "Requests": [
        REQUESTS: Counter, "requests_total", ["api"],
            "Requests of clients that were let through or answered.", "";
        RESPONSES: Counter, "responses_total", ["api", "outcome"],
            "Answers to clients. `outcome`: `ok`; `retriable` (errors at which a client just tries again, as after a \
             leader has moved); `error`; `passed` (went by unread, so nobody knows).",
            "`error` grows: see `response_errors_total`, which names it.";
        RESPONSE_ERRORS: Counter, "response_errors_total", ["api", "error"],
            "Errors in answers to clients, by Kafka's names: one for each partition, group or topic that has it, the \
             broker's and the filter's own alike. Errors in answers that pass unread are not among them.",
            "[refusals.md](refusals.md) says what each client makes of an error that the filter gives.";
        REQUEST_DURATION_MS: Histogram, "request_duration_ms", ["api"],
            "Milliseconds from a client's request to its answer. A Fetch waits for data, a JoinGroup for other members.",
            "Produce grows: brokers are slow, or `held_back_total` grows as well.";
        UPSTREAM_REQUESTS: Counter, "upstream_requests_total", ["api"],
            "Requests to brokers, the filter's own among them. Divided by `requests_total`: how many one request of a \
             client becomes.",
            "";
        REMAPPED_PARTITIONS: Counter, "remapped_partitions_total", ["api"],
            "Partitions of requests, and of Metadata answers, that were translated.",
            "Stays 0 while mapped topics are in use: clients do not come through this filter.";
    ];
    "Records": [
        BATCHES_TAGGED: Counter, "batches_tagged_total", [],
            "Record batches of producers that were given a lane above 0.", "";
        BATCHES_DROPPED: Counter, "batches_dropped_total", [],
            "Record batches that were read from a broker and were for no partition that the client reads: the price of \
             sharing a physical partition.",
            "";
        BATCHES_UNKNOWN_LANE: Counter, "batches_unknown_lane_total", [],
            "Those of the dropped batches whose lane the mapping does not have.",
            "Somebody wrote with more virtual partitions than this configuration has: give all Envoys the same, larger \
             `virtual_partitions`.";
        FILLER_BATCHES: Counter, "filler_batches_total", [],
            "Control batches that moved a consumer past its siblings' records.", "";
        FETCH_BYTES_UPSTREAM: Counter, "fetch_bytes_upstream_total", [],
            "Bytes of records that brokers sent for requests which name mapped topics. Divided by \
             `fetch_bytes_downstream_total`: the read amplification.",
            "";
        FETCH_BYTES_DOWNSTREAM: Counter, "fetch_bytes_downstream_total", [],
            "Bytes of records that clients were sent of these.", "";
        TOPIC_MISMATCH: Counter, "topic_mismatch_total", [],
            "Requests that named a topic with another number of partitions on the cluster than its mapping says.",
            "Nothing is read from or written to such a topic. The log names it: change the mapping, or the topic.";
    ];
    "Topics": [
        TOPIC_REQUESTS: Counter, "topic_requests_total", ["api", "topic"],
            "Produce and Fetch requests that name the topic; a Fetch with a session names what the session has.", "";
        TOPIC_BYTES_RECEIVED: Counter, "topic_bytes_received_total", ["topic"],
            "Bytes of record batches from producers that went on to the broker.", "";
        TOPIC_BYTES_SENT: Counter, "topic_bytes_sent_total", ["topic"],
            "Bytes of record batches to consumers, fillers among them.", "";
        TOPIC_FETCH_BYTES_UPSTREAM: Counter, "topic_fetch_bytes_upstream_total", ["topic"],
            "Bytes of records that brokers sent for the topic. Divided by `topic_bytes_sent_total`: the topic's read \
             amplification.",
            "Far above the number of consumers that share a physical partition: let one consumer read all siblings, or \
             see `fetch.share`.";
        TOPIC_REFUSED: Counter, "topic_refused_total", ["topic"],
            "As `topic_mismatch_total`, by topic.",
            "The topic is refused until its partitions on the cluster are `topic_physical_partitions`.";
        TOPIC_UNKNOWN_LANE_BATCHES: Counter, "topic_unknown_lane_batches_total", ["topic"],
            "As `batches_unknown_lane_total`, by topic.",
            "Somebody wrote with more virtual partitions than this configuration has.";
    ];
    "Brokers": [
        BROKER_CONNECTIONS_ACTIVE: Gauge, "broker_connections_active", ["broker"],
            "Client connections by the broker that they stand for.",
            "0 for one broker while others have some: clients do not get to it.";
        BROKER_REQUESTS: Counter, "broker_requests_total", ["broker"],
            "Requests to the broker, the filter's own among them.", "";
        BROKER_ERRORS: Counter, "broker_errors_total", ["broker"],
            "Errors in the broker's answers, as `response_errors_total` counts them, without the filter's own refusals and \
             without those that are a part of joining a group; and faults of the broker, which end a connection.",
            "Grows for one broker alone: look at this broker's log.";
    ];
    "Groups": [
        SHADOW_COMMITS_FAILED: Counter, "shadow_commits_failed_total", [],
            "Commits to shadow groups that the broker refused: parts of clients' own commits, which were told of it, and \
             renewals, which are tried again.",
            "For long: offsets above lane 0 may expire. Look for missing rights on `G~` ([security.md](security.md)), and at \
             `response_errors_total{api=\"OffsetCommit\"}`.";
    ];
    "Memory": [
        HELD_BYTES: Gauge, "held_bytes", [],
            "Bytes in use of `limits.worker_bytes`, all workers together, as of the last second: what is alive in the \
             workers' VMs, and frames that are on their way into them. Workers without a connection so far do not count. \
             Filters of one `remapper` that share a VM (the same `vm_id` and code) each count all of it.",
            "Near `held_bytes_limit` for long: give clients smaller requests, or Envoy more memory and the filter a \
             larger `limits.worker_bytes`.";
        HELD_BYTES_LIMIT: Gauge, "held_bytes_limit", [],
            "`limits.worker_bytes` times the workers that have had a connection.", "";
        HELD_BACK: Counter, "held_back_total", ["side"],
            "How often a request had to wait for room in a worker's memory. `side`: `client`, the request itself found \
             none, and reading stopped; `broker`, its answer would have found none.",
            "Grows all the time: memory is what limits clients. See `held_bytes`.";
    ];
    "Shared reads": [
        SHARED_HITS: Counter, "shared_hits_total", [],
            "Partitions of Fetches that were served of what another connection had read.", "";
        SHARED_PARKED: Counter, "shared_parked_total", [],
            "Fetches that waited for what another connection was reading.", "";
        SHARED_WOKEN: Counter, "shared_woken_total", [],
            "Fetches that had waited so, and went on because something had come for them.", "";
        SHARED_DOORBELL_BYTES: Counter, "shared_doorbell_bytes_total", [],
            "Bytes of records that brokers sent when they were asked whether a client may have what another one has \
             read.",
            "Near `fetch_bytes_upstream_total`: sharing does not pay here; `fetch.share: never` ends it.";
        SHARED_BYTES: Gauge, "shared_bytes", [], "Bytes that are kept for shared reads, all workers together.", "";
    ];
    "Logins": [
        AUTH: Counter, "auth_total", ["mechanism", "outcome"],
            "Clients' authentications, and renewals of them. `outcome`: `success`, `failure`, or `abandoned` (begun, and \
             neither of the two).",
            "`failure` grows: somebody guesses passwords, or an application has an old one. The log names the user that \
             was tried.";
        UPSTREAM_AUTH: Counter, "upstream_auth_total", ["mechanism", "outcome"],
            "The filter's own logins at brokers, and renewals of them.",
            "`failure` grows: the credentials of `upstream.sasl` are wrong at the brokers, and clients are not served.";
    ];
}
