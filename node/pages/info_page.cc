#include "node/pages/info_page.h"

#include <algorithm>
#include <iterator>

#include "absl/container/btree_map.h"
#include "env/host_port.h"
#include "node/base/text.h"
#include "node/base/version.h"

namespace quorate::node {
namespace {

// Sums over the stores of this node.
struct Totals {
  uint64_t bytes = 0;
  uint64_t expired = 0;
  // Groups whose removed keys still use memory.
  uint64_t reclaiming = 0;
};

// The inputs of a section.
struct InfoInputs {
  Context& context;
  const InfoView& view;
  const Totals& totals;
  bool cluster() const { return view.address == RespAddress::kCluster; }
};

Totals Sum(Context& context) {
  context.work.Add(context.router.queues().size() / TurnWork::kGroupsPerUnit);
  Totals totals;
  for (const auto& [group, ended] : context.metrics.ended_stores) {
    totals.expired += ended.keys_expired;
  }
  for (const auto& queue : context.router.queues()) {
    const kv::Store* store = queue->store();
    if (store == nullptr) continue;
    totals.bytes += store->size_bytes();
    totals.expired += store->counters().keys_expired;
    if (store->reclaimable()) ++totals.reclaiming;
  }
  return totals;
}

void Server(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const int64_t uptime =
      (context.MonoNow() - context.started).ns() / 1'000'000'000;
  // Programs that print the version of a Redis server also read the next two
  // fields.
  Append(out, "redis_version:", kRedisVersion,
         "\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0"
         "\r\nquorate_version:",
         kQuorateVersion,
         "\r\nredis_mode:", inputs.cluster() ? "cluster" : "standalone",
         "\r\nclock_differs:", context.host.clock_differs() ? 1 : 0,
         "\r\narch_bits:64\r\nrun_id:", context.topology.self().id,
         "\r\ntcp_port:",
         ParseHostPort(inputs.cluster() ? context.config.listen.resp_cluster
                                        : context.config.listen.resp)
             ->port,
         "\r\nuptime_in_seconds:", uptime,
         "\r\nuptime_in_days:", uptime / 86'400,
         "\r\nserver_time_usec:", context.UnixMs() * 1000, "\r\n");
  if (context.env.certificates == nullptr) return;
  const env::CertificateState tls = context.env.certificates->state();
  Append(out, "tls_certificate_seconds_left:", tls.left.ms() / 1000,
         "\r\ntls_reload_failing:", tls.reload_error.empty() ? 0 : 1, "\r\n");
}

// The nodes to which this one has a connection.
int64_t OpenLinks(const Context& context) {
  return std::count_if(context.cluster.nodes().begin(),
                       context.cluster.nodes().end(),
                       [&](const NodeConfig& node) {
                         return context.env.transport.link(node.id).open;
                       });
}

void ClientsSection(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  Append(out, "connected_clients:", context.resp_clients.count(),
         "\r\ncluster_connections:", OpenLinks(context),
         "\r\nhttp_clients:", context.http_clients.count(),
         "\r\nmaxclients:", context.config.limits.connections,
         "\r\nblocked_clients:0\r\ntracking_clients:0\r\n");
}

void Memory(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const MemoryBudget& budget = context.memory_budget;
  Append(out, "used_memory:", budget.used_bytes(),
         "\r\nused_memory_human:", budget.used_bytes(),
         "B\r\nused_memory_dataset:", inputs.totals.bytes,
         "\r\nused_memory_reserved:", budget.reserved_bytes(),
         "\r\nmaxmemory:", budget.limit_bytes(),
         "\r\nmaxmemory_human:", budget.limit_bytes(),
         "B\r\nmaxmemory_policy:noeviction"
         "\r\nlazyfree_pending_objects:",
         inputs.totals.reclaiming, "\r\nlazyfreed_objects:0\r\n");
}

void Persistence(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const auto log = context.host.stats().log;
  Append(out,
         "loading:0\r\nasync_loading:0\r\naof_enabled:1\r\n"
         "rdb_bgsave_in_progress:0\r\naof_rewrite_in_progress:0\r\n"
         "rdb_last_bgsave_status:ok\r\naof_last_write_status:",
         context.host.status().ok() ? "ok" : "err",
         "\r\nlog_durable_writes:", log.durable_writes,
         "\r\nlog_written_bytes:", log.written_bytes, "\r\n");
  if (!context.disk.known()) return;
  Append(out, "disk_free_bytes:", context.disk.room().free_bytes,
         "\r\ndisk_size_bytes:", context.disk.room().size_bytes,
         "\r\ndisk_lacks_room:", context.disk.lacks_room() ? 1 : 0, "\r\n");
}

// "1.250" for 1250 microseconds.
std::string MillisecondsText(Duration duration) {
  const std::string rest = Concat(duration.us() % 1'000);
  return Concat(duration.us() / 1'000, ".", std::string(3 - rest.size(), '0'),
                rest);
}

void Stats(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const env::TurnTimes turns = context.env.process.ReadTurnTimes();
  const Metrics& metrics = context.metrics;
  Append(out, "total_connections_received:", metrics.connections.accepted,
         "\r\ntotal_commands_processed:", metrics.total_commands(),
         "\r\nrejected_connections:", metrics.connections.rejected,
         "\r\ntotal_net_input_bytes:", metrics.input_bytes,
         "\r\ntotal_net_output_bytes:", metrics.output_bytes,
         "\r\nlongest_turn_ms:", MillisecondsText(turns.longest),
         "\r\nlong_turns:", turns.long_turns,
         "\r\nexpired_keys:", inputs.totals.expired,
         "\r\nevicted_keys:0\r\nkeyspace_hits:", metrics.key_reads.hits,
         "\r\nkeyspace_misses:", metrics.key_reads.misses,
         "\r\nmigrate_cached_sockets:0"
         "\r\ntotal_error_replies:",
         metrics.total_errors(),
         "\r\nclient_output_buffer_limit_disconnections:0\r\n");
}

void Replication(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const Topology::Node& self = context.topology.self();
  // A plain client sees a master wherever it may write.
  const bool writable = !context.cluster.self().read_only;
  if (!inputs.cluster() && writable) {
    out->append("role:master\r\nconnected_slaves:0\r\n");
  } else if (inputs.cluster() && self.master == NodeId()) {
    size_t replicas = 0;
    size_t connected = 0;
    std::string lines;
    for (const Topology::Node& node : context.topology.nodes()) {
      if (node.master != self.config->id) continue;
      if (!node.failed) ++connected;
      const HostPort address = *ParseHostPort(node.config->resp_cluster);
      Append(&lines, "slave", replicas++, ":ip=", address.host,
             ",port=", address.port,
             ",state=", node.failed ? "offline" : "online",
             ",offset=0,lag=0\r\n");
    }
    Append(out, "role:master\r\nconnected_slaves:", connected, "\r\n", lines);
  } else {
    // A node that is cut off from its cluster knows no master.
    const NodeConfig* const master = context.cluster.FindListed(self.master);
    HostPort address;
    if (master != nullptr) {
      address = *ParseHostPort(inputs.cluster() ? master->resp_cluster
                                                : master->resp);
    }
    const bool up = master != nullptr &&
                    context.router.view().alive(master->id) && !self.failed;
    Append(out, "role:slave\r\nmaster_host:", address.host,
           "\r\nmaster_port:", address.port,
           "\r\nmaster_link_status:", up ? "up" : "down",
           "\r\nslave_read_only:1\r\n");
  }
  Append(out, "master_failover_state:no-failover\r\nmaster_replid:", self.id,
         "\r\nmaster_repl_offset:0\r\n");
}

void Commandstats(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  for (const CommandRow& row : AllCommands()) {
    const Metrics::Command& command = context.metrics.command(row.id);
    if (command.calls == 0) continue;
    const int64_t us = command.duration.sum().us();
    const auto calls = static_cast<int64_t>(command.calls);
    Append(out, "cmdstat_", row.name, ":calls=", calls, ",usec=", us,
           ",usec_per_call=", us / calls, ".", us * 100 / calls % 100 / 10,
           us * 100 / calls % 10,
           ",rejected_calls=0,failed_calls=", command.failed, "\r\n");
  }
}

void Errorstats(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  for (const auto& [code, count] : context.metrics.errors()) {
    Append(out, "errorstat_", code, ":count=", count, "\r\n");
  }
}

void AppendSeconds(Duration duration, std::string* out) {
  const std::string us = Concat(duration.us() % 1'000'000);
  Append(out, duration.us() / 1'000'000, ".", std::string(6 - us.size(), '0'),
         us, "\r\n");
}

// The node starts no child processes, so their times are zero.
void Cpu(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const env::CpuTime used = context.env.process.ReadCpuTime();
  Append(out, "used_cpu_sys:");
  AppendSeconds(used.system, out);
  Append(out, "used_cpu_user:");
  AppendSeconds(used.user, out);
  Append(out, "used_cpu_sys_children:");
  AppendSeconds(Duration(0), out);
  Append(out, "used_cpu_user_children:");
  AppendSeconds(Duration(0), out);
}

void Cluster(const InfoInputs& inputs, std::string* out) {
  Append(out, "cluster_enabled:", inputs.cluster() ? 1 : 0,
         "\r\nquorate_partitioner:",
         PartitionerName(inputs.context.cluster.shards().partitioner()),
         "\r\n");
}

absl::btree_map<GroupId, uint64_t> SlotsByGroup(const Context& context) {
  absl::btree_map<GroupId, uint64_t> slots;
  for (const shardctrl::Assignment& range :
       context.cluster.shards().assignments()) {
    slots[range.group] += range.slots.size();
  }
  return slots;
}

// One line for each group of which the configuration places a replica here. A
// replica that does not work has its state in place of a role.
void Groups(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  const LiveView& view = context.router.view();
  absl::btree_map<GroupId, uint64_t> slots = SlotsByGroup(context);
  for (const auto& queue : context.router.queues()) {
    if (!queue->placed()) continue;
    const GroupId group = queue->group();
    const ReplicaState state = view.replica(group, context.config.node);
    const std::string_view status = ReplicaStateName(state);
    const raft::Core* core = context.host.core(group);
    Append(out, "group", group, ":role=",
           state == ReplicaState::kFine ? raft::RoleName(core->role()) : status,
           ",leader=", queue->leadership().leader);
    if (core != nullptr) {
      Append(out, ",term=", core->term(), ",commit=", core->commit_index(),
             ",applied=", core->applied_index(), ",last=", core->last().index);
    }
    Append(out, ",slots=", slots[group], ",status=", status, "\r\n");
  }
}

// One line for each other node, and one for the connection to it.
void Nodes(const InfoInputs& inputs, std::string* out) {
  Context& context = inputs.context;
  if (context.cluster.removed()) Append(out, "removed:1\r\n");
  for (const NodeConfig& node : context.cluster.nodes()) {
    if (node.id == context.config.node) continue;
    const LiveView& view = context.router.view();
    const std::string refusal = view.refusal(node.id);
    const bool alive = view.alive(node.id);
    Append(out, "node", node.id, ":state=",
           !alive            ? "offline"
           : refusal.empty() ? "online"
                             : "refused",
           "\r\n");
    // On a line of its own, because clients split a value that contains "=" at
    // commas.
    if (alive && !refusal.empty()) {
      Append(out, "node", node.id, "_refusal:", refusal, "\r\n");
    }
    const env::LinkState link = context.env.transport.link(node.id);
    if (link.open) {
      Append(out, "node", node.id, "_link:version=", link.version,
             ",store=", link.store, "\r\n");
    }
  }
}

void Keyspace(const InfoInputs& inputs, std::string* out) {
  out->append(inputs.view.keyspace);
}

struct Section {
  std::string_view name;
  std::string_view title;
  void (*write)(const InfoInputs&, std::string*);
  bool shows_totals = false;
  bool by_default = true;
};
constexpr Section kSections[] = {
    {"server", "Server", Server},
    {"clients", "Clients", ClientsSection},
    {"memory", "Memory", Memory, /*shows_totals=*/true},
    {"persistence", "Persistence", Persistence},
    {"stats", "Stats", Stats, /*shows_totals=*/true},
    {"replication", "Replication", Replication},
    {"cpu", "CPU", Cpu},
    {"commandstats", "Commandstats", Commandstats, /*shows_totals=*/false,
     /*by_default=*/false},
    {"errorstats", "Errorstats", Errorstats},
    {"cluster", "Cluster", Cluster},
    {"groups", "Groups", Groups},
    {"nodes", "Nodes", Nodes},
    {"keyspace", "Keyspace", Keyspace},
};

bool Wanted(const Section& section, Arguments names) {
  if (names.empty()) return section.by_default;
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    if (EqualsIgnoreCase(name, "default")) return section.by_default;
    return EqualsIgnoreCase(name, section.name) ||
           EqualsIgnoreCase(name, "all") ||
           EqualsIgnoreCase(name, "everything");
  });
}

}  // namespace

bool InfoHasKeyspace(Arguments sections) {
  return Wanted(kSections[std::size(kSections) - 1], sections);
}

std::string InfoText(Context& context, const InfoView& view,
                     Arguments sections) {
  Totals totals;
  const bool shows_totals = std::ranges::any_of(kSections, [&](const auto& s) {
    return s.shows_totals && Wanted(s, sections);
  });
  if (shows_totals) totals = Sum(context);
  const InfoInputs inputs = {context, view, totals};
  std::string text;
  for (const Section& section : kSections) {
    if (!Wanted(section, sections)) continue;
    if (!text.empty()) text += "\r\n";
    Append(&text, "# ", section.title, "\r\n");
    section.write(inputs, &text);
  }
  return text;
}

}  // namespace quorate::node
