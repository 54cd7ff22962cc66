#include "node/admin/admin_api.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/siphash.h"
#include "node/admin/admin_json.h"
#include "node/base/text.h"
#include "node/http/http_parameters.h"
#include "shardctrl/controller/token.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::node {

using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;

namespace {

constexpr Duration kTokenValidFor = Seconds(24 * 3600);
// Keys of the hashes that make an operation of an Idempotency-Key.
constexpr SipKey kOperationFirst = {0x71756f7261746531, 0x6f7065726174696f};
constexpr SipKey kOperationSecond = {0x71756f7261746532, 0x6f7065726174696f};

AdminReply ErrorReply(int status, std::string_view code,
                      std::string_view message) {
  return {
      .status = status,
      .body = JsonText({{"error", {{"code", code}, {"message", message}}}})};
}

AdminReply OutcomeUnknown(const absl::Status& status, const std::string& key) {
  Json error = {{"code", "OUTCOME_UNKNOWN"}, {"message", Message(status)}};
  if (!key.empty()) error["operation"] = key;
  return {.status = 504, .body = JsonText({{"error", std::move(error)}})};
}

// No leader of the controller answered, or this node is no longer in the
// cluster.
AdminReply NoController(const ControllerAccess& controller,
                        const absl::Status& status) {
  if (!absl::IsFailedPrecondition(status)) {
    return ErrorReply(503, "NO_CONTROLLER", std::string(status.message()));
  }
  return {.status = 410,
          .body = JsonText({{"error",
                             {{"code", "REMOVED"},
                              {"node", controller.self().value()},
                              {"message", std::string(status.message())}}}})};
}

AdminReply BadRequest(std::string_view message) {
  return ErrorReply(400, "BAD_REQUEST", message);
}

// The parts of a path below /v1: "/v1/nodes/3/drain" has nodes, 3 and drain.
std::vector<std::string_view> PartsOf(std::string_view path) {
  std::vector<std::string_view> parts;
  if (!path.starts_with("/v1/")) return parts;
  path.remove_prefix(4);
  while (true) {
    const size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == path.npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

std::optional<uint32_t> IdOf(std::string_view text) {
  uint32_t id = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return id;
}

// Reads the members of a JSON object, each at most once, and notes the first
// mistake.
class Body {
 public:
  explicit Body(std::string_view text) { object_ = ParseBody(text, &error_); }

  std::optional<std::string> Text(const char* name) {
    const Json* const value = Take(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return value->get<std::string>();
    Fail(Concat(name, " is a text"));
    return std::nullopt;
  }
  std::optional<uint32_t> Number(const char* name) {
    const Json* const value = Take(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_number_unsigned() && value->get<uint64_t>() <= ~uint32_t{0}) {
      return value->get<uint32_t>();
    }
    Fail(Concat(name, " is a number from 0 to 4294967295"));
    return std::nullopt;
  }
  // `required`: its lack is an error.
  uint32_t RequiredNumber(const char* name) {
    const std::optional<uint32_t> value = Number(name);
    if (!value.has_value()) Fail(Concat(name, " is missing"));
    return value.value_or(0);
  }
  bool Flag(const char* name) {
    const Json* const value = Take(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) Fail(Concat(name, " is true or false"));
    return value->is_boolean() && value->get<bool>();
  }
  // Milliseconds, or null for zero.
  Duration Milliseconds(const char* name) {
    const Json* const value = Take(name);
    if (value == nullptr) Fail(Concat(name, " is missing"));
    if (value == nullptr || value->is_null()) return Duration();
    if (value->is_number_unsigned() && value->get<uint64_t>() <= uint64_t{1}
                                                                     << 40) {
      return quorate::Milliseconds(value->get<int64_t>());
    }
    Fail(Concat(name, " is a time in milliseconds, or null"));
    return Duration();
  }
  // Why the body is refused; empty: it is not. Call it last.
  std::string Error() {
    if (error_.empty() && object_.is_object() && !object_.empty()) {
      Fail(Concat("there is no member '", Shown(object_.begin().key()), "'"));
    }
    return error_;
  }

 private:
  const Json* Take(const char* name) {
    const auto found = object_.is_object() ? object_.find(name) : object_.end();
    if (!object_.is_object() || found == object_.end()) return nullptr;
    taken_ = *found;
    object_.erase(found);
    return &taken_;
  }
  void Fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
  }

  Json object_;
  Json taken_;
  std::string error_;
};

Json StepsJson(const ControllerAnswer& answer) {
  Json steps = Json::array();
  for (const std::string& step : answer.steps) steps.push_back(step);
  return steps;
}

}  // namespace

struct AdminApi::Call {
  ControllerCommand command;
  bool dry_run = false;
  // The secret of a token that the command makes valid.
  std::optional<std::pair<uint64_t, uint64_t>> secret;
  // The name of the operation. Empty: it has none, and is safe to repeat.
  std::string key;
  // The request, if an equal one is taken for its second try. Empty: none is.
  std::string request;
  bool second_try = false;
  std::function<bool()> waits = [] { return true; };
};

namespace {

// The addresses at which a new node finds the cluster: those that other nodes
// have reported, and that of the asked node.
std::vector<std::string> SeedsOf(const ControllerAccess& controller,
                                 NodeId except) {
  std::vector<std::string> seeds;
  for (const shardctrl::NodeRecord& node : controller.state().nodes) {
    if (node.id != except && node.state != shardctrl::NodeState::kRemoved &&
        !node.addresses.peer.empty()) {
      seeds.push_back(node.addresses.peer);
    }
  }
  const std::string own = controller.peer_address();
  if (std::find(seeds.begin(), seeds.end(), own) == seeds.end()) {
    seeds.push_back(own);
  }
  return seeds;
}

void AddToken(const ControllerAccess& controller,
              const ControllerAnswer& answer,
              const std::pair<uint64_t, uint64_t>& secret, Json* json) {
  const std::string token =
      shardctrl::FormatToken({.cluster = controller.cluster(),
                              .node = answer.node,
                              .expires = answer.token_expires,
                              .secret_first = secret.first,
                              .secret_second = secret.second});
  const std::vector<std::string> seeds = SeedsOf(controller, answer.node);
  std::string joined;
  for (const std::string& seed : seeds) {
    Append(&joined, joined.empty() ? "" : ",", seed);
  }
  (*json)["token"] = token;
  (*json)["seeds"] = seeds;
  (*json)["command"] = {"quorated", "--join", joined, "--token", token};
  // A node that comes back has addresses.
  const shardctrl::NodeRecord* const node =
      controller.state().FindNode(answer.node);
  if (node == nullptr || node->addresses.peer.empty()) return;
  for (const auto& [flag, address] :
       {std::pair("--resp", &node->addresses.resp),
        {"--cluster", &node->addresses.resp_cluster},
        {"--http", &node->addresses.http},
        {"--peer", &node->addresses.peer}}) {
    (*json)["command"].push_back(flag);
    (*json)["command"].push_back(*address);
  }
}

AdminReply ReplyOf(const ControllerAccess& controller,
                   const ControllerAnswer& answer,
                   const std::optional<std::pair<uint64_t, uint64_t>>& secret,
                   std::string_view finishes) {
  using Outcome = ControllerAnswer::Outcome;
  if (answer.outcome == Outcome::kRefused) {
    return ErrorReply(409, "REFUSED", answer.text);
  }
  Json json = {{"version", answer.version.value()},
               {"already", answer.outcome == Outcome::kAlreadySo},
               {"text", answer.text},
               {"steps", StepsJson(answer)}};
  if (answer.node != NodeId()) json["id"] = answer.node.value();
  if (!answer.groups.empty()) {
    json["groups"] = Json::array();
    for (const GroupId group : answer.groups) {
      json["groups"].push_back(group.value());
    }
  }
  if (!answer.moves.empty()) {
    json["moves"] = Json::array();
    for (const MoveId move : answer.moves) {
      json["moves"].push_back(move.value());
    }
  }
  if (!finishes.empty()) json["finishes"] = finishes;
  if (secret.has_value()) AddToken(controller, answer, *secret, &json);
  return {.body = JsonText(json)};
}

// Sent again as another operation, it has another effect.
bool DoesMoreEachTime(const ControllerCommand::Body& body) {
  return std::holds_alternative<ControllerCommand::AddNode>(body) ||
         std::holds_alternative<ControllerCommand::CreateGroups>(body) ||
         std::holds_alternative<ControllerCommand::MoveSlots>(body);
}

std::optional<shardctrl::NodeRole> RoleOf(std::string_view name) {
  using shardctrl::NodeRole;
  for (const NodeRole role :
       {NodeRole::kData, NodeRole::kReadOnly, NodeRole::kRouter}) {
    if (shardctrl::RoleName(role) == name) return role;
  }
  return std::nullopt;
}

// The wish of a request, read from its method, path and body. One of body and
// error is set; neither: there is no such route.
struct Parsed {
  std::optional<ControllerCommand::Body> body;
  std::string error;
  bool needs_token = false;
  // The node that the wish gives up, and that it spares as long as it is up.
  std::optional<NodeId> must_be_down = {};
  // A group that is to be recovered: its command depends on the survivors.
  std::optional<GroupId> recovered = {};
  bool accept_loss = false;
};

Parsed ParseAddNode(Body& body) {
  ControllerCommand::AddNode add;
  add.name = body.Text("name").value_or("");
  add.zone = body.Text("zone").value_or("");
  add.host = body.Text("host").value_or("");
  add.weight = body.Number("weight").value_or(add.weight);
  const std::string role = body.Text("role").value_or("data");
  Parsed parsed{.error = body.Error(), .needs_token = true};
  const std::optional<shardctrl::NodeRole> known = RoleOf(role);
  if (!known.has_value() && parsed.error.empty()) {
    parsed.error = "role is data, read-only or router";
  }
  if (!parsed.error.empty()) return parsed;
  add.role = *known;
  add.valid_for = kTokenValidFor;
  parsed.body = std::move(add);
  return parsed;
}

Parsed Done(Body& body, ControllerCommand::Body command,
            bool needs_token = false) {
  Parsed parsed{.error = body.Error(), .needs_token = needs_token};
  if (parsed.error.empty()) parsed.body = std::move(command);
  return parsed;
}

// Requests with /v1/nodes/ID.
Parsed ParseNodeWish(std::string_view method, NodeId node,
                     std::string_view verb, Body& body) {
  if (method == "PATCH" && verb.empty()) {
    ControllerCommand::SetNode set{.node = node};
    set.name = body.Text("name");
    set.zone = body.Text("zone");
    set.host = body.Text("host");
    set.weight = body.Number("weight");
    return Done(body, std::move(set));
  }
  if (method != "POST") return {};
  if (verb == "drain") return Done(body, ControllerCommand::DrainNode{node});
  if (verb == "undrain") {
    return Done(body, ControllerCommand::UndrainNode{node});
  }
  if (verb == "remove") {
    const bool lost = body.Flag("lost");
    return Done(body, ControllerCommand::RemoveNode{node, lost});
  }
  if (verb == "replace") {
    const bool even_if_up = body.Flag("even_if_up");
    Parsed parsed = Done(body,
                         ControllerCommand::ReplaceNode{
                             .node = node, .valid_for = kTokenValidFor},
                         /*needs_token=*/true);
    if (!even_if_up) parsed.must_be_down = node;
    return parsed;
  }
  return {};
}

// Requests with /v1/groups/ID.
Parsed ParseGroupWish(std::string_view method, GroupId group,
                      std::string_view verb, Body& body) {
  if (method == "PATCH" && verb.empty()) {
    ControllerCommand::SetGroup set{.group = group};
    set.replicas = body.Number("replicas");
    set.weight = body.Number("weight");
    return Done(body, set);
  }
  if (method == "POST" && verb == "transfer") {
    const NodeId to(body.RequiredNumber("node"));
    return Done(body, ControllerCommand::TransferGroup{group, to});
  }
  if (method == "POST" && verb == "retire") {
    return Done(body, ControllerCommand::RetireGroup{group});
  }
  if (method == "POST" && verb == "recover") {
    Parsed parsed{.recovered = group};
    parsed.accept_loss = body.Flag("accept_loss");
    parsed.error = body.Error();
    return parsed;
  }
  return {};
}

// A request with /v1/moves.
Parsed ParseMoveSlots(Body& body) {
  ControllerCommand::MoveSlots move;
  move.to = GroupId(body.RequiredNumber("to"));
  const std::optional<std::string> slots = body.Text("slots");
  move.from = GroupId(body.Number("from").value_or(0));
  move.count = body.Number("count").value_or(0);
  move.rate_max = body.Number("bytes_per_second").value_or(0);
  if (!slots.has_value()) return Done(body, std::move(move));
  auto ranges = shardctrl::ParseSlotRanges(*slots);
  if (!ranges.has_value()) {
    return {.error = "slots are ranges such as 0-99,200, up to 16383"};
  }
  move.slots = *std::move(ranges);
  return Done(body, std::move(move));
}

// Requests with /v1/moves/ID.
Parsed ParseMoveWish(MoveId move, std::string_view verb, Body& body) {
  if (verb == "cancel") return Done(body, ControllerCommand::CancelMove{move});
  if (verb == "pause" || verb == "resume") {
    return Done(body, ControllerCommand::PauseMove{move, verb == "pause"});
  }
  return {};
}

Parsed ParseWish(std::string_view method,
                 const std::vector<std::string_view>& parts,
                 std::string_view text) {
  Body body(text);
  const std::string_view what = parts[0];
  if (parts.size() == 1 && method == "POST" && what == "nodes") {
    return ParseAddNode(body);
  }
  if (parts.size() == 1 && method == "POST" && what == "groups") {
    ControllerCommand::CreateGroups create;
    create.count = body.Number("count").value_or(1);
    create.replicas = body.Number("replicas").value_or(create.replicas);
    create.weight = body.Number("weight").value_or(create.weight);
    return Done(body, create);
  }
  if (parts.size() == 1 && method == "POST" && what == "moves") {
    return ParseMoveSlots(body);
  }
  if (parts.size() == 1 && method == "POST" && what == "rebalance") {
    return Done(body, ControllerCommand::Rebalance{});
  }
  if (parts.size() == 1 && method == "PUT" && what == "repair") {
    const Duration after = body.Milliseconds("after_ms");
    return Done(body, ControllerCommand::SetRepair{after});
  }
  if (parts.size() < 2 || parts.size() > 3) return {};
  const std::optional<uint32_t> id = IdOf(parts[1]);
  if (!id.has_value()) return {};
  const std::string_view verb = parts.size() == 3 ? parts[2] : "";
  if (what == "nodes") return ParseNodeWish(method, NodeId(*id), verb, body);
  if (what == "groups") return ParseGroupWish(method, GroupId(*id), verb, body);
  if (what == "moves" && method == "POST") {
    return ParseMoveWish(MoveId(*id), verb, body);
  }
  return {};
}

AdminReply NoRoute() {
  return ErrorReply(404, "NO_SUCH_ROUTE",
                    "no such route; see docs/reference/admin.md");
}

// The row of an id in the list `name` of `all`.
AdminReply RowOf(const Json& all, std::string_view name, std::string_view id) {
  const std::optional<uint32_t> wanted = IdOf(id);
  for (const Json& row : all[std::string(name)]) {
    if (wanted.has_value() && row["id"] == *wanted) {
      return {.body = JsonText(row)};
    }
  }
  // "nodes" is the list of "node".
  return ErrorReply(
      404, "NOT_FOUND",
      Concat("there is no ", name.substr(0, name.size() - 1), " ", id));
}

// It has its store, and works.
bool IsUp(const shardctrl::NodeRecord& node) {
  return node.state != shardctrl::NodeState::kRemoved &&
         node.store != StoreIncarnation() && node.silent_since == WallTime(0);
}

AdminReply UpReply(NodeId node) {
  return ErrorReply(
      409, "REFUSED",
      Concat("node ", node,
             " is up, and to replace it gives its replicas up. "
             "Nothing has changed. To give up its disk nevertheless, "
             "repeat the request with even_if_up (quoratectl: --yes)"));
}

AdminReply LossReply(std::string_view text) {
  return ErrorReply(
      409, "REFUSED",
      Concat(text,
             ". Nothing has changed. To accept the loss, repeat the request "
             "with accept_loss (quoratectl: --accept-loss)"));
}

}  // namespace

shardctrl::OperationId OperationOf(std::string_view idempotency_key) {
  return {SipHash(kOperationFirst, idempotency_key),
          SipHash(kOperationSecond, idempotency_key)};
}

void AdminApi::Handle(const AdminRequest& request, Done done) {
  if (request.method == "GET") return Show(request.path, std::move(done));
  const std::vector<std::string_view> parts = PartsOf(request.path);
  if (parts.empty()) return done(NoRoute());
  Parsed parsed = ParseWish(request.method, parts, request.body);
  if (!parsed.error.empty()) return done(BadRequest(parsed.error));
  if (parsed.recovered.has_value()) {
    return Recover(*parsed.recovered, parsed.accept_loss, request.dry_run,
                   std::move(done));
  }
  if (!parsed.body.has_value()) return done(NoRoute());
  Call call{.command = {{}, *std::move(parsed.body)},
            .dry_run = request.dry_run,
            .key = std::string(request.idempotency_key),
            .waits = request.waits};
  if (call.key.empty()) NameOperation(request, &call);
  call.command.operation = OperationOf(call.key);
  if (parsed.needs_token) {
    call.secret = controller_.Secret(call.key);
    const shardctrl::TokenDigest digest = shardctrl::DigestOf(
        controller_.cluster(), call.secret->first, call.secret->second);
    if (auto* const add =
            std::get_if<ControllerCommand::AddNode>(&call.command.body)) {
      add->token = digest;
    } else {
      std::get<ControllerCommand::ReplaceNode>(call.command.body).token =
          digest;
    }
  }
  // The leader takes no command with values that are not allowed.
  const auto checked =
      shardctrl::DecodeCommand(shardctrl::EncodeCommand(call.command));
  if (!checked.ok()) {
    return done(BadRequest(std::string(checked.status().message())));
  }
  if (!parsed.must_be_down.has_value()) {
    return Execute(std::move(call), std::move(done));
  }
  controller_.Refresh(
      [this, node = *parsed.must_be_down, call = std::move(call),
       done = std::move(done)](const absl::Status& status) mutable {
        if (!status.ok()) return done(NoController(controller_, status));
        const shardctrl::NodeRecord* const record =
            controller_.state().FindNode(node);
        if (record != nullptr && IsUp(*record)) return done(UpReply(node));
        Execute(std::move(call), std::move(done));
      });
}

// A second try has the key of the first.
void AdminApi::NameOperation(const AdminRequest& request, Call* call) {
  call->key = request.proposed_key;
  if (call->key.empty()) {
    const auto [first, second] = controller_.Secret("");
    call->key = absl::StrCat(absl::Hex(first, absl::kZeroPad16),
                             absl::Hex(second, absl::kZeroPad16));
  }
  if (call->dry_run || !DoesMoreEachTime(call->command.body)) return;
  call->request = Concat(request.method, " ", request.path, " ", request.body);
  const auto first = std::ranges::find(
      unfinished_, call->request, &std::pair<std::string, std::string>::first);
  if (first == unfinished_.end()) return;
  call->key = first->second;
  call->second_try = true;
  unfinished_.erase(first);
}

void AdminApi::NoteUnfinished(const Call& call) {
  if (call.request.empty()) return;
  if (unfinished_.size() >= kUnfinishedMax) unfinished_.pop_front();
  unfinished_.emplace_back(call.request, call.key);
}

void AdminApi::Survey(
    GroupId group, absl::AnyInvocable<void(const shardctrl::Survivors&)> done,
    Done failed) {
  auto ask = [this, group, done = std::move(done),
              failed = std::move(failed)](absl::Status status) mutable {
    if (!status.ok()) {
      return failed(NoController(controller_, status));
    }
    const shardctrl::GroupRecord* const record =
        controller_.state().FindGroup(group);
    if (record == nullptr) {
      return failed(
          ErrorReply(404, "NOT_FOUND", Concat("there is no group ", group)));
    }
    controller_.AskSurvivors(
        group, [this, group, asked = record->ReportedPosition(),
                done = std::move(done), failed = std::move(failed)](
                   const shardctrl::Survivors& survivors) mutable {
          const shardctrl::GroupRecord* const now =
              controller_.state().FindGroup(group);
          // Answers of before a change do not know the new members.
          if (now != nullptr && now->ReportedPosition() == asked) {
            return done(survivors);
          }
          failed(ErrorReply(
              409, "REFUSED",
              Concat("the members of group ", group,
                     " changed while the nodes were asked; ask again")));
        });
  };
  // Without its own majority the controller has no newer state.
  if (group == shardctrl::kControllerGroup) return ask(absl::OkStatus());
  controller_.Refresh(std::move(ask));
}

// The operation has no name: the command follows from survivors, and a second
// one is already so, or refused.
void AdminApi::Recover(GroupId group, bool accept_loss, bool dry_run,
                       Done done) {
  const auto reply = std::make_shared<Done>(std::move(done));
  const auto failed = [reply](AdminReply answer) {
    (*reply)(std::move(answer));
  };
  Survey(
      group,
      [this, group, accept_loss, dry_run,
       failed](const shardctrl::Survivors& survivors) {
        shardctrl::RecoveryPlan plan = shardctrl::PlanRecovery(
            controller_.state(), *controller_.state().FindGroup(group),
            survivors);
        if (!plan.command.has_value()) {
          return failed(ErrorReply(409, "REFUSED", plan.text));
        }
        const bool under_way =
            controller_.state().FindGroup(group)->recovery.has_value();
        const std::string not_yet = shardctrl::WhyNotYet(
            controller_.state(), *controller_.state().FindGroup(group),
            survivors, plan);
        if (!not_yet.empty()) {
          return failed(ErrorReply(503, "NOT_YET", not_yet));
        }
        if (plan.works && !under_way) {
          return failed(ErrorReply(
              409, "REFUSED",
              Concat("group ", group,
                     " has a leader, or a majority of its voters answers: "
                     "nothing of it is lost")));
        }
        if (group == shardctrl::kControllerGroup) {
          return RecoverController(plan, accept_loss && !dry_run, failed);
        }
        const auto [first, second] = controller_.Secret("");
        Call call{.command = {{first, second}, *plan.command},
                  .dry_run = dry_run || !accept_loss};
        if (accept_loss) return Execute(std::move(call), failed);
        Execute(std::move(call), [failed, text = std::move(plan.text)](
                                     AdminReply answer) {
          failed(answer.status == 200 ? LossReply(text) : std::move(answer));
        });
      },
      failed);
}

// The controller cannot take a command about itself. The node that is asked
// decides alone, as long as no node that answers knows a leader.
void AdminApi::RecoverController(const shardctrl::RecoveryPlan& plan,
                                 bool accept_loss, Done done) {
  const ControllerCommand::RecoverGroup& command = *plan.command;
  if (!accept_loss) return done(LossReply(plan.text));
  controller_.RecoverController(
      command.node, command.replica, command.generation,
      [text = Concat("the controller goes on from node ", command.node),
       done = std::move(done)](absl::Status status) mutable {
        if (absl::IsUnknown(status)) return done(OutcomeUnknown(status, ""));
        if (!status.ok()) {
          return done(
              ErrorReply(409, "REFUSED", std::string(status.message())));
        }
        done({.body = JsonText({{"already", false},
                                {"text", text},
                                {"steps", Json::array()}})});
      });
}

void AdminApi::Show(std::string_view path, Done done) {
  const std::vector<std::string_view> parts = PartsOf(path);
  if (parts.size() == 3 && parts[0] == "groups" && parts[2] == "survivors") {
    const std::optional<uint32_t> id = IdOf(parts[1]);
    if (!id.has_value()) return done(NoRoute());
    const auto reply = std::make_shared<Done>(std::move(done));
    return Survey(
        GroupId(*id),
        [this, reply, id](const shardctrl::Survivors& survivors) {
          const ClusterState& state = controller_.state();
          (*reply)({.body = JsonText(SurvivorsJson(
                        state, *state.FindGroup(GroupId(*id)), survivors))});
        },
        [reply](AdminReply answer) { (*reply)(std::move(answer)); });
  }
  const bool lists =
      !parts.empty() && parts.size() <= 2 &&
      (parts[0] == "nodes" || parts[0] == "groups" || parts[0] == "moves");
  controller_.Refresh([this, path = std::string(path), lists,
                       done = std::move(done)](absl::Status status) mutable {
    const bool outdated = absl::IsUnavailable(status) &&
                          !controller_.state().nodes.empty() &&
                          (path == "/v1/nodes" || path == "/v1/groups" ||
                           path == "/v1/moves" || path == "/v1/slots");
    const bool moves = path == "/v1/moves";
    if (outdated && lists && !moves) {
      return ListOutdated(path, status, std::move(done));
    }
    if (outdated) {
      Json all = moves ? MovesJson(controller_.state(), {})
                       : SlotsJson(controller_.state());
      all["outdated"] = std::string(status.message());
      return done({.body = JsonText(all)});
    }
    if (!status.ok()) {
      return done(NoController(controller_, status));
    }
    if (!lists) return done(Page(path));
    controller_.AskUsage(
        [this, path = std::move(path), done = std::move(done)](
            const ClusterUsage& usage) mutable { done(List(path, usage)); });
  });
}

// Shows the state that this node knew last, and which nodes answer it now.
void AdminApi::ListOutdated(std::string_view path, const absl::Status& why,
                            Done done) {
  controller_.AskUsage(
      [this, nodes = path == "/v1/nodes", why = std::string(why.message()),
       done = std::move(done)](const ClusterUsage& usage) mutable {
        ClusterState known = controller_.state();
        for (shardctrl::NodeRecord& node : known.nodes) {
          if (node.state == shardctrl::NodeState::kRemoved) continue;
          const bool answers = usage.contains(node.id);
          if (answers) node.silent_since = WallTime(0);
          if (!answers && node.silent_since == WallTime(0)) {
            node.silent_since = WallTime(1);
          }
        }
        Json all = nodes ? NodesJson(controller_.cluster(), known, usage)
                         : GroupsJson(known, usage);
        all["outdated"] = why;
        done({.body = JsonText(all)});
      });
}

AdminReply AdminApi::List(std::string_view path,
                          const ClusterUsage& usage) const {
  const std::vector<std::string_view> parts = PartsOf(path);
  const ClusterState& state = controller_.state();
  const Json all = parts[0] == "nodes"
                       ? NodesJson(controller_.cluster(), state, usage)
                   : parts[0] == "moves" ? MovesJson(state, usage)
                                         : GroupsJson(state, usage);
  return parts.size() == 1 ? AdminReply{.body = JsonText(all)}
                           : RowOf(all, parts[0], parts[1]);
}

AdminReply AdminApi::Page(std::string_view path) const {
  const std::vector<std::string_view> parts = PartsOf(path);
  if (parts.size() != 1) return NoRoute();
  if (parts[0] == "slots") {
    return {.body = JsonText(SlotsJson(controller_.state()))};
  }
  if (parts[0] == "repair") {
    return {.body = JsonText(RepairJson(controller_.state()))};
  }
  if (parts[0] == "history") {
    return {.body = JsonText(HistoryJson(controller_.state()))};
  }
  return NoRoute();
}

void AdminApi::Execute(Call call, Done done) {
  const bool dry_run = call.dry_run;
  ControllerCommand command = std::move(call.command);
  controller_.Execute(
      std::move(command), dry_run,
      [this, call = std::move(call), done = std::move(done)](
          absl::StatusOr<ControllerAnswer> answer) mutable {
        // The first try may have an effect yet.
        const bool unknown =
            absl::IsUnknown(answer.status()) ||
            (call.second_try && absl::IsUnavailable(answer.status()));
        if (unknown || !call.waits()) NoteUnfinished(call);
        if (unknown) return done(OutcomeUnknown(answer.status(), call.key));
        if (!answer.ok()) {
          return done(NoController(controller_, answer.status()));
        }
        if (call.dry_run) call.secret.reset();
        done(ReplyOf(controller_, *answer, call.secret,
                     call.second_try ? call.key : std::string()));
      });
}

}  // namespace quorate::node
