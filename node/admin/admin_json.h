// node/admin/admin_json.h: the state of the controller as JSON, for the
// replies of the admin address (docs/reference/admin.md).
#ifndef QUORATE_NODE_ADMIN_ADMIN_JSON_H_
#define QUORATE_NODE_ADMIN_ADMIN_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "env/ids.h"
#include "node/admin/controller_access.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

using Json = nlohmann::ordered_json;

// {"version":V,"cluster":C,"nodes":[…]}, one row for each node.
Json NodesJson(ClusterId cluster, const shardctrl::ClusterState& state,
               const ClusterUsage& usage);
// {"version":V,"groups":[…]}.
Json GroupsJson(const shardctrl::ClusterState& state,
                const ClusterUsage& usage);
// The replicas that are left of a group, and the choice among them.
Json SurvivorsJson(const shardctrl::ClusterState& state,
                   const shardctrl::GroupRecord& group,
                   const shardctrl::Survivors& survivors);
// {"version":V,"moves":[…]}: those that have ended come first.
Json MovesJson(const shardctrl::ClusterState& state, const ClusterUsage& usage);
// {"version":V,"slots":[…]}: the owner of each range.
Json SlotsJson(const shardctrl::ClusterState& state);
// {"after_ms":N,"now":[…]}; null: off.
Json RepairJson(const shardctrl::ClusterState& state);
// {"version":V,"history":[…]}, the newest last.
Json HistoryJson(const shardctrl::ClusterState& state);

// The object in the body of a request. Not an object: the text is none, or one
// of its objects has a member twice. Then `*why` says so.
Json ParseBody(std::string_view text, std::string* why);

// The bytes of a reply.
std::string JsonText(const Json& json);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_ADMIN_JSON_H_
