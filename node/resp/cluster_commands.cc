#include "node/resp/cluster_commands.h"

#include <vector>

#include "node/base/text.h"
#include "node/resp/error_text.h"
#include "node/resp/help_reply.h"

namespace quorate::node {
namespace {

std::string ClusterInfo(Context& context) {
  const uint32_t ok = context.topology.slots_with_leader();
  const uint32_t all = context.slots().slot_count();
  size_t masters = 0;
  for (const Topology::Node& node : context.topology.nodes()) {
    if (!node.slots.empty()) ++masters;
  }
  return Concat(
      "cluster_enabled:1\r\ncluster_state:", ok == all ? "ok" : "fail",
      "\r\ncluster_slots_assigned:", all, "\r\ncluster_slots_ok:", ok,
      "\r\ncluster_slots_pfail:", all - ok,
      "\r\ncluster_slots_fail:0\r\ncluster_known_nodes:",
      context.cluster.nodes().size(), "\r\ncluster_size:", masters,
      "\r\ncluster_current_epoch:", context.cluster.nodes().size(),
      "\r\ncluster_my_epoch:", context.config.node,
      "\r\ncluster_stats_messages_sent:0"
      "\r\ncluster_stats_messages_received:0"
      "\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n");
}

// The replies that a cluster client makes its table of slots of.
bool ListsSlots(CommandId id) {
  return id == CommandId::kClusterSlots || id == CommandId::kClusterShards ||
         id == CommandId::kQuorateSlots;
}

}  // namespace

bool ClusterCommands::Write(const CommandRow& row, Arguments request,
                            RespWriter& reply) {
  if (!row.name.starts_with("cluster|") && !ListsSlots(row.id)) return false;
  if (!view_.cluster()) {
    reply.Error(kClusterDisabled);
    return true;
  }
  const Partitioner partitioner = context_.cluster.shards().partitioner();
  if (ListsSlots(row.id) && partitioner != Partitioner::kHashSlots) {
    reply.Error(NoHashSlots(partitioner));
    return true;
  }
  switch (row.id) {
    case CommandId::kClusterSlots:
      reply.Raw(context_.topology.SlotsReply(reply.version()));
      return true;
    case CommandId::kQuorateSlots:
      reply.Raw(context_.topology.SlotsReply(reply.version(), /*all=*/true));
      return true;
    case CommandId::kClusterShards:
      reply.Raw(context_.topology.ShardsReply(reply.version()));
      return true;
    case CommandId::kClusterNodes:
      reply.Verbatim(context_.topology.NodesText());
      return true;
    case CommandId::kClusterInfo:
      reply.Verbatim(ClusterInfo(context_));
      return true;
    case CommandId::kClusterMyid:
      reply.Bulk(context_.topology.self().id);
      return true;
    case CommandId::kClusterMyshardid: {
      const Topology::Node& self = context_.topology.self();
      std::string_view id = self.id;
      for (const Topology::Node& node : context_.topology.nodes()) {
        if (node.config->id == self.master) id = node.id;
      }
      reply.Bulk(id);
      return true;
    }
    case CommandId::kClusterKeyslot:
      reply.Integer(context_.slots().SlotOf(request[2]).value());
      return true;
    case CommandId::kClusterReplicas:
    case CommandId::kClusterSlaves:
      WriteReplicas(request[2], reply);
      return true;
    case CommandId::kClusterLinks:
      reply.Array(0);
      return true;
    case CommandId::kClusterHelp:
      WriteHelp("CLUSTER",
                {"SLOTS, SHARDS, NODES, INFO, MYID, MYSHARDID, KEYSLOT <key>,",
                 "COUNTKEYSINSLOT <slot>, GETKEYSINSLOT <slot> <count>,",
                 "REPLICAS <node-id>, LINKS"},
                reply);
      return true;
    default:
      return false;
  }
}

void ClusterCommands::WriteReplicas(std::string_view id, RespWriter& reply) {
  const Topology::Node* node = context_.topology.Find(id);
  if (node == nullptr) {
    return reply.Error(Concat("ERR Unknown node ", id));
  }
  if (node->master != NodeId()) {
    return reply.Error("ERR The specified node is not a master");
  }
  // The lines of CLUSTER NODES that name this node as master.
  std::vector<std::string_view> lines;
  std::string_view rest = context_.topology.NodesText();
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.find(Concat(' ', id, " 0 0 ")) != std::string_view::npos) {
      lines.push_back(line);
    }
  }
  reply.Array(lines.size());
  for (const std::string_view line : lines) reply.Bulk(line);
}

}  // namespace quorate::node
