#include "sim/cluster/wrong_file.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

using node::Config;
using node::EvenSharding;
using Parts = shardctrl::ShardMap::Parts;

// More than any run has.
constexpr uint32_t kUnknownNode = 99;

bool DropReplica(Config* config) {
  std::vector<NodeId>& replicas = config->shards[0].replicas;
  if (replicas.size() < 2) return false;
  replicas.pop_back();
  return true;
}

// The file has [sharding] instead of [[shards]].
bool DivideEvenly(Config* config, EvenSharding* sharding,
                  const EvenSharding& wrong) {
  config->shards.clear();
  *sharding = wrong;
  return true;
}

constexpr WrongFile kInvalid[] = {
    {"'nodes'",
     [](Config* c, EvenSharding*) { return c->nodes.clear(), true; }},
    {"expected each id once",
     [](Config* c, EvenSharding*) {
       c->nodes.push_back(c->nodes[0]);
       return true;
     }},
    {"expected an address",
     [](Config* c, EvenSharding*) { return c->nodes[0].http = "here", true; }},
    {"expected each address once",
     [](Config* c, EvenSharding*) {
       c->nodes[0].http = c->nodes[0].peer;
       return true;
     }},
    {"expected a port up to",
     [](Config* c, EvenSharding*) {
       c->nodes[0].resp = "n1:65500";
       c->nodes[0].resp_cluster.clear();
       return true;
     }},
    {"expected at least one voting node",
     [](Config* c, EvenSharding*) {
       for (node::NodeConfig& node : c->nodes) node.read_only = true;
       return true;
     }},
    {"'node.id'",
     [](Config* c, EvenSharding*) {
       return c->node = NodeId(kUnknownNode), true;
     }},
    {"'listen.http'",
     [](Config* c, EvenSharding*) { return c->listen.http = "here", true; }},
    {"expected a loopback address",
     [](Config* c, EvenSharding*) {
       return c->listen.allow_non_loopback = false, true;
     }},
    {"expected at least one replica",
     [](Config* c, EvenSharding*) {
       return c->shards[0].replicas.clear(), true;
     }},
    {"expected voting nodes",
     [](Config* c, EvenSharding*) {
       c->shards[0].replicas.push_back(NodeId(kUnknownNode));
       return true;
     }},
    {"expected each node once",
     [](Config* c, EvenSharding*) {
       std::vector<NodeId>& replicas = c->shards[0].replicas;
       replicas.push_back(NodeId(replicas[0]));
       return true;
     }},
    {"expected slots from 0 to 16383",
     [](Config* c, EvenSharding*) {
       return c->shards[0].slots[0].second = 20'000, true;
     }},
    {"expected each slot in one shard",
     [](Config* c, EvenSharding*) {
       auto& slots = c->shards[0].slots;
       slots.emplace_back(slots[0].first, slots[0].first);
       return true;
     }},
    {"expected each slot in one shard",
     [](Config* c, EvenSharding*) {
       auto& slots = c->shards[0].slots;
       slots.insert(slots.begin(), {slots[0].second, slots[0].second});
       return true;
     }},
    {"expected all 16384 slots",
     [](Config* c, EvenSharding*) {
       return c->shards.back().slots.pop_back(), true;
     }},
    {"'sharding.groups'",
     [](Config* c, EvenSharding* s) {
       return DivideEvenly(c, s, {.groups = 0});
     }},
    {"'sharding.replicas'",
     [](Config* c, EvenSharding* s) {
       return DivideEvenly(c, s, {.replicas = kUnknownNode});
     }},
};

constexpr WrongFile kContradictory[] = {
    {"this node is configured for cluster",
     [](Config* c, EvenSharding*) {
       return c->cluster = ClusterId(c->cluster.value() + 1), true;
     }},
    // The file of another node.
    {"this is node",
     [](Config* c, EvenSharding*) {
       const auto other = std::find_if(
           c->nodes.begin(), c->nodes.end(),
           [c](const node::NodeConfig& node) { return node.id != c->node; });
       if (other == c->nodes.end()) return false;
       c->node = other->id;
       return true;
     }},
};

constexpr WrongFile kOutdated[] = {
    {"'shards[].idx'",
     [](Config* c, EvenSharding*) {
       if (c->shards.size() < 2) return false;
       const node::ShardConfig last = std::move(c->shards.back());
       c->shards.pop_back();
       c->shards[0].slots.insert(c->shards[0].slots.end(), last.slots.begin(),
                                 last.slots.end());
       return true;
     }},
    {"'shards[].replicas'",
     [](Config* c, EvenSharding*) { return DropReplica(c); }},
    {"'shards[].slots'",
     [](Config* c, EvenSharding*) {
       if (c->shards.size() < 2) return false;
       --c->shards[0].slots[0].second;
       --c->shards[1].slots[0].first;
       return true;
     }},
    {"'sharding.groups'",
     [](Config* c, EvenSharding* s) {
       const auto groups = static_cast<uint32_t>(c->shards.size());
       return DivideEvenly(c, s, {.groups = groups + 1});
     }},
    {"'sharding.replicas'",
     [](Config* c, EvenSharding* s) {
       const auto groups = static_cast<uint32_t>(c->shards.size());
       if (!DropReplica(c)) return false;
       const auto replicas =
           static_cast<uint32_t>(c->shards[0].replicas.size());
       return DivideEvenly(c, s, {.groups = groups, .replicas = replicas});
     }},
    // Every voting node of the file has a replica.
    {"'nodes[].id'",
     [](Config* c, EvenSharding* s) {
       const auto voters = std::count_if(
           c->nodes.begin(), c->nodes.end(),
           [](const node::NodeConfig& node) { return !node.read_only; });
       if (std::ssize(c->shards[0].replicas) == voters) return false;
       const auto groups = static_cast<uint32_t>(c->shards.size());
       return DivideEvenly(c, s, {.groups = groups});
     }},
};

constexpr WrongMap kWrongMaps[] = {
    {"version 0", [](Parts* p) { p->version = {}; }},
    {"hash_slots needs", [](Parts* p) { p->slot_count = 100; }},
    {"last_character needs",
     [](Parts* p) { p->partitioner = Partitioner::kLastCharacter; }},
    {"an unknown partitioner",
     [](Parts* p) { p->partitioner = static_cast<Partitioner>(9); }},
    {"a node has id 0", [](Parts* p) { p->nodes[0].id = NodeId(); }},
    {"is there twice", [](Parts* p) { p->nodes.push_back(p->nodes[0]); }},
    {"has no name", [](Parts* p) { p->nodes[0].name.clear(); }},
    {"two nodes are named",
     [](Parts* p) {
       p->nodes.push_back(
           {.id = NodeId(kUnknownNode), .name = p->nodes[0].name});
     }},
    {"is used twice",
     [](Parts* p) { p->nodes[0].http_address = p->nodes[0].resp_address; }},
    {"a group has id 0", [](Parts* p) { p->groups[0].id = GroupId(); }},
    {"is there twice", [](Parts* p) { p->groups.push_back(p->groups[0]); }},
    {"has no name", [](Parts* p) { p->groups[0].name.clear(); }},
    {"two groups are named",
     [](Parts* p) {
       p->groups.push_back(p->groups[0]);
       p->groups.back().id = GroupId(kUnknownNode);
     }},
    {"prefers as its leader",
     [](Parts* p) { p->groups[0].preferred_leader = NodeId(kUnknownNode); }},
    {"has no voters", [](Parts* p) { p->groups[0].voters.clear(); }},
    {"which is not there",
     [](Parts* p) { p->groups[0].voters.push_back(NodeId(kUnknownNode)); }},
    {"which is not there",
     [](Parts* p) { p->groups[0].non_voters.push_back(NodeId(kUnknownNode)); }},
    {"which is read-only",
     [](Parts* p) {
       for (shardctrl::Node& node : p->nodes) node.read_only = true;
     }},
    {"has two replicas",
     [](Parts* p) {
       p->groups[0].non_voters.push_back(NodeId(p->groups[0].voters[0]));
     }},
    {"there is no range of slots",
     [](Parts* p) {
       std::swap(p->assignments[0].slots.first, p->assignments[0].slots.last);
     }},
    {"which is not there",
     [](Parts* p) { p->assignments[0].group = GroupId(kUnknownNode); }},
    // The second range begins before the first one or within it.
    {"belongs to groups",
     [](Parts* p) {
       const Slot last = p->assignments.back().slots.last;
       p->assignments.insert(p->assignments.begin(),
                             {{last, last}, p->groups[0].id});
     }},
    {"belongs to groups",
     [](Parts* p) {
       const Slot last = p->assignments.back().slots.last;
       p->assignments.push_back({{last, last}, p->groups[0].id});
     }},
    {"belong to no group", [](Parts* p) { p->assignments.pop_back(); }},
};

}  // namespace

absl::Span<const WrongMap> WrongMaps() { return kWrongMaps; }
absl::Span<const WrongFile> InvalidFiles() { return kInvalid; }
absl::Span<const WrongFile> ContradictoryFiles() { return kContradictory; }
absl::Span<const WrongFile> OutdatedFiles() { return kOutdated; }

std::string NotRefused(std::string_view what, std::string_view says,
                       absl::StatusCode code, const absl::Status& status) {
  if (status.code() == code &&
      absl::StrContains(status.message(), std::string(says))) {
    return "";
  }
  return absl::StrCat("mistake: ", std::string(what), " is not refused with ",
                      std::string(says), " but says ", status.ToString());
}

}  // namespace quorate::sim
