#include "sim/members/cluster_operator.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "node/admin/admin_api.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/token.h"
#include "sim/choices/choices.h"

namespace quorate::sim {
namespace {

using shardctrl::NodeRecord;
using shardctrl::NodeState;

constexpr ChoiceSite kVerb("operator.verb");
constexpr ChoiceSite kDetail("operator.detail");
constexpr ChoiceSite kAsks("operator.asks");
constexpr ChoiceSite kInterrupts("operator.interrupts");
// Zero: a tape leaves the verb out.
constexpr uint64_t kNoVerb = 0;
constexpr Duration kAnswerMax = Seconds(6);
constexpr Duration kRetry = Milliseconds(500);
// A hasty operator looks this often whether the cluster exists.
constexpr Duration kHaste = Milliseconds(10);
// Operators replace nodes that work, too.
constexpr char kEvenIfUp[] = "{\"even_if_up\":true}";
// An operator that cares for nodes does not give up.
constexpr uint32_t kPatience = 1'000;
// A node that was told to come has so much time.
constexpr Duration kCareAgain = Seconds(8);

bool IsDone(const OperatorAnswer& answer) { return answer.status == 200; }

// The request may have reached a leader.
bool IsUnsure(const OperatorAnswer& answer) {
  return answer.status == 0 || answer.status == 504;
}

bool IsGone(const NodeRecord& node) {
  return node.state == NodeState::kRemoved;
}

// Another node may know more: the asked one has no answer, does not reach the
// controller, or is not in the cluster any more.
bool IsDecided(const OperatorAnswer& answer) {
  return answer.status != 0 && answer.status != 503 && answer.status != 504 &&
         answer.status != 410;
}

}  // namespace

ClusterOperator::ClusterOperator(env::Env& env, World* world, Cluster* cluster,
                                 MemberRules* rules, OperatorNotes* notes,
                                 const ClusterOperatorOptions& options)
    : env_(env),
      world_(*world),
      cluster_(*cluster),
      places_(cluster->places()),
      rules_(*rules),
      notes_(*notes),
      options_(options),
      client_(env),
      hasty_(Draw(10, 4) == 0) {
  Tick();
}

void ClusterOperator::Tick() {
  const MonoTime now = env_.loop.ReadClock().mono;
  const bool begun = rules_.state() != nullptr && places_.AllFoundersStarted();
  tick_ = env_.loop.At(now + (begun || !hasty_ ? options_.interval : kHaste),
                       [this] { Tick(); });
  if (!begun) return;
  late_.Look(world_.now(), rules_.LongestLog(shardctrl::kControllerGroup),
             rules_.CommitIndex(shardctrl::kControllerGroup));
  if (++ticks_ == 1 && hasty_) return ReplaceUnbound();
  if (acts_ || cares_) Clear();
  if (options_.id == 1 && mends_disks_) MendDisks();
  // Other requests may wait for that, and other groups for the controller.
  for (const GroupId group : rules_.lost()) {
    if (recovering_.contains(group)) continue;
    if (group != shardctrl::kControllerGroup ||
        notes_.BeginRecoveringController()) {
      Recover(group);
    }
  }
  if (open_ > 0) return;
  if (acts_) Act();
  if (cares_) Care();
}

uint64_t ClusterOperator::Draw(uint64_t which, uint64_t bound) {
  return world_.choices().Below(
      kDetail, ChoiceKey{options_.id << 8 | which, ticks_}, bound);
}

void ClusterOperator::Soon(std::function<void()> deed) {
  world_.At(world_.now(), std::move(deed));
}

std::string ClusterOperator::NextKey() {
  return absl::StrCat("operator-", options_.id, "-", ++keys_);
}

NodeId ClusterOperator::SomeNode(uint64_t draw) const {
  std::vector<NodeId> nodes;
  for (const NodeRecord& node : state().nodes) {
    if (!IsGone(node)) nodes.push_back(node.id);
  }
  return nodes.empty() ? NodeId() : nodes[draw % nodes.size()];
}

GroupId ClusterOperator::SomeGroup(uint64_t draw) const {
  return state().groups[draw % state().groups.size()].id;
}

// ---- Requests.

void ClusterOperator::Tell(OperatorRequest request) {
  Ask(std::move(request), kAttempts, [](const OperatorAnswer&) {});
}

void ClusterOperator::Ask(OperatorRequest request, uint32_t attempts,
                          Answered answered, std::function<void()> over) {
  request.key = NextKey();
  ++open_;
  const bool again = Draw(7, 4) == 0;
  Try(request, attempts,
      [this, request, again, answered = std::move(answered),
       over = std::move(over)](const OperatorAnswer& answer) {
        --open_;
        const bool done = IsDone(answer);
        answered(answer);
        if (!again || !IsDecided(answer)) return End(request.key, done, over);
        // A careless operator sends it once more. A request that was refused
        // may be granted then.
        Try(request, 1,
            [this, key = request.key, done, over](const OperatorAnswer& last) {
              End(key, done || IsDone(last), over);
            });
      });
}

// A request that was granted has no further effect.
void ClusterOperator::End(const std::string& key, bool done,
                          std::function<void()> over) {
  const bool unsure = unsure_.erase(key) > 0 && !done;
  if (over == nullptr) return;
  if (!unsure) return over();
  late_.Add(world_.now(), std::move(over));
}

void ClusterOperator::Try(OperatorRequest request, uint32_t attempts,
                          Answered answered, std::function<bool()> is_moot) {
  const uint64_t number = ++attempts_;
  const size_t place = world_.choices().Below(
      kAsks, ChoiceKey{options_.id, number}, places_.size());
  // Most operators know which machines are free.
  size_t asked = place;
  for (size_t i = 0; i < places_.size(); ++i) {
    asked = (place + i) % places_.size();
    if (places_.tenant(asked).has_value()) break;
  }
  const std::string address = places_.FirstAddress(asked, Places::kAdminPort);
  client_.Ask(
      address, request, kAnswerMax,
      [this, request, attempts, number, is_moot,
       answered = std::move(answered)](const OperatorAnswer& answer) {
        if (!request.key.empty()) {
          rules_.OnAnswer(node::OperationOf(request.key), answer.status,
                          absl::StrCat(request.method, " ", request.target));
          if (IsUnsure(answer)) unsure_.insert(request.key);
        }
        if (IsDecided(answer) || attempts <= 1 || (is_moot && is_moot())) {
          return answered(answer);
        }
        retries_[number] =
            env_.loop.At(env_.loop.ReadClock().mono + kRetry,
                         [this, request, attempts, number, answered, is_moot] {
                           retries_.erase(number);
                           Try(request, attempts - 1, answered, is_moot);
                         });
      });
}

// ---- Verbs.

void ClusterOperator::Act() {
  const uint64_t drawn =
      world_.choices().Below(kVerb, ChoiceKey{options_.id, ticks_}, kVerbs + 1);
  if (drawn == kNoVerb) return;
  // A group may rest on the others meanwhile.
  const auto rests_on_others = [this](Verb verb) {
    switch (verb) {
      case Verb::kDrain:
      case Verb::kRemove:
      case Verb::kReplace:
      case Verb::kReplaceElsewhere:
      case Verb::kLose:
      case Verb::kReplicas:
      case Verb::kMoveDisk:
      case Verb::kSwapDisks:
      case Verb::kLoseMajority:
        return AnyIsDamaged();
      default:
        return false;
    }
  };
  if (rests_on_others(static_cast<Verb>(drawn - 1))) return;
  const NodeId node = SomeNode(Draw(0, 64));
  const GroupId group = SomeGroup(Draw(1, 64));
  if (node == NodeId()) return;
  ++verbs_;
  if (Draw(8, 8) == 0) KillController();
  Do(static_cast<Verb>(drawn - 1), node, group);
}

void ClusterOperator::Do(Verb verb, NodeId node, GroupId group) {
  const auto on_node = [&](const char* what, std::string body = "") {
    Tell({.method = "POST",
          .target = absl::StrCat("/v1/nodes/", node.value(), what),
          .body = std::move(body)});
  };
  const std::string of_group = absl::StrCat("/v1/groups/", group.value());
  switch (verb) {
    case Verb::kAdd:
      return Add();
    case Verb::kDrain:
      return Leave(node, "/drain", "");
    case Verb::kUndrain:
      return on_node("/undrain");
    case Verb::kRemove:
      return Leave(node, "/remove", "{\"lost\":false}");
    case Verb::kReplace:
      return Lose(node, /*comes_back=*/true);
    case Verb::kReplaceElsewhere:
      return ReplaceElsewhere(node);
    case Verb::kLose:
      return Lose(node, /*comes_back=*/false);
    case Verb::kSet:
      return Set(node);
    case Verb::kCreate:
      return Create();
    case Verb::kReplicas:
      return SetReplicas(group, 1 + Draw(2, 5));
    case Verb::kTransfer:
      return Tell({.method = "POST",
                   .target = of_group + "/transfer",
                   .body = absl::StrCat("{\"node\":", node.value(), "}")});
    case Verb::kMoveDisk:
      return MoveDisk(node);
    case Verb::kSwapDisks:
      return SwapDisks(node);
    case Verb::kCopyDirectory:
      return CopyDirectory(node);
    case Verb::kJoinTwice:
      return JoinTwice();
    case Verb::kOldToken:
      return ComeWithTokens();
    case Verb::kRepair:
      return Tell({.method = "PUT",
                   .target = "/v1/repair",
                   .body = Draw(2, 3) == 0 ? "{\"after_ms\":null}"
                                           : "{\"after_ms\":10000}"});
    case Verb::kRestart:
      return Restart(Draw(2, places_.size()), group);
    case Verb::kKillController:
      return KillController();
    case Verb::kMoveSlots:
      return MoveSlots(group, 2);
    case Verb::kChangeMove:
      return ChangeMove();
    case Verb::kRebalance:
      if (Draw(2, 2) == 0) {
        Tell(
            {.method = "PATCH",
             .target = of_group,
             .body = absl::StrCat("{\"weight\":", 50 * (1 + Draw(3, 4)), "}")});
      }
      return Tell({.method = "POST", .target = "/v1/rebalance"});
    case Verb::kLoseMajority:
      return LoseMajority(group, node);
    case Verb::kRetire:
      return Tell({.method = "POST", .target = of_group + "/retire"});
  }
}

void ClusterOperator::Create() {
  if (state().groups.size() > options_.groups_max || notes_.replacing()) {
    return;
  }
  notes_.BeginCreating();
  Ask(
      {.method = "POST",
       .target = "/v1/groups",
       .body = absl::StrCat("{\"replicas\":", 1 + Draw(2, 3), "}")},
      kAttempts, [](const OperatorAnswer&) {},
      [this] { notes_.EndCreating(); });
}

void ClusterOperator::JoinTwice() {
  Ask({.method = "POST", .target = "/v1/nodes"}, kAttempts,
      [this](const OperatorAnswer& answer) {
        if (answer.status != 200) return;
        for (int i = 0; i < 2; ++i) Come(answer, 0);
      });
}

void ClusterOperator::MoveSlots(GroupId to, uint64_t draw) {
  const uint64_t slots = cluster_.division().slot_count;
  const uint64_t first = Draw(draw, slots);
  const uint64_t last = std::min(first + Draw(draw + 1, slots / 2), slots - 1);
  const std::string rate =
      Draw(draw + 2, 3) > 0
          ? ""
          : absl::StrCat(",\"bytes_per_second\":", options_.bytes_per_second);
  Tell({.method = "POST",
        .target = "/v1/moves",
        .body = absl::StrCat("{\"to\":", to.value(), ",\"slots\":\"", first,
                             "-", last, "\"", rate, "}")});
}

void ClusterOperator::MoveInCalm() {
  constexpr uint64_t kFirstDraw = 16;  // Behind those of verbs.
  constexpr uint64_t kMoves = 3;
  for (uint64_t i = 0; i < kMoves; ++i) {
    const uint64_t draw = kFirstDraw + 4 * i;
    MoveSlots(SomeGroup(Draw(draw, 64)), draw + 1);
  }
}

void ClusterOperator::ChangeMove() {
  const std::vector<shardctrl::SlotMove>& moves = state().moves;
  if (moves.empty()) return;
  const char* const verbs[] = {"/cancel", "/pause", "/resume"};
  Tell({.method = "POST",
        .target =
            absl::StrCat("/v1/moves/", moves[Draw(2, moves.size())].id.value(),
                         verbs[Draw(3, 3)])});
}

void ClusterOperator::Set(NodeId node) {
  Tell({.method = "PATCH",
        .target = absl::StrCat("/v1/nodes/", node.value()),
        .body = absl::StrCat("{\"zone\":\"z", Draw(2, 3), "\",\"host\":\"h",
                             Draw(3, 4),
                             "\",\"weight\":", 50 * (1 + Draw(4, 4)), "}")});
}

void ClusterOperator::InterruptMove(uint64_t number) {
  if (!acts_ || rules_.state() == nullptr) return;
  std::vector<MoveId> open;
  for (const shardctrl::SlotMove& move : state().moves) {
    if (move.decision == shardctrl::MoveState::kOpen && !move.paused) {
      open.push_back(move.id);
    }
  }
  if (open.empty()) return;
  const uint64_t draw = world_.choices().Below(
      kInterrupts, ChoiceKey{options_.id, number}, 2 * open.size());
  Tell({.method = "POST",
        .target = absl::StrCat("/v1/moves/", open[draw / 2].value(),
                               draw % 2 == 0 ? "/pause" : "/cancel")});
  world_.CountMark(MachineId(), "operator.move_interrupted");
}

// The token of a node that has its store does not bind another one, and no
// token does once there is a newer one.
void ClusterOperator::ComeWithOldToken() {
  const size_t place = places_.FreePlace(0);
  if (place == places_.size()) return;
  std::optional<Tenant> comes;
  for (const auto& [id, joins] : typed_) {
    const NodeRecord* const node = state().FindNode(id);
    const bool waits =
        node != nullptr && !IsGone(*node) && node->store == StoreIncarnation();
    for (const node::JoinConfig& join : joins) {
      const auto token = shardctrl::ParseToken(join.token);
      if (waits && node->token == shardctrl::DigestOf(token->cluster,
                                                      token->secret_first,
                                                      token->secret_second)) {
        continue;
      }
      if (!comes.has_value() || waits) {
        comes = {.node = id, .join = join, .refused = true};
      }
    }
  }
  if (comes.has_value()) places_.MoveIn(place, *std::move(comes));
}

// The first token of a new node was lost, and is found again.
void ClusterOperator::ComeWithTokens() {
  if (Draw(2, 2) == 0) return Soon([this] { ComeWithOldToken(); });
  const size_t place = places_.FreePlace(0);
  if (place == places_.FreePlace(place + 1)) return;
  Ask({.method = "POST", .target = "/v1/nodes"}, kAttempts,
      [this](const OperatorAnswer& first) {
        if (first.status != 200) return;
        Come(first, places_.size());
        const NodeId node(first.body["id"].get<uint32_t>());
        notes_.BeginReplacing(node);
        Ask(
            {.method = "POST",
             .target = absl::StrCat("/v1/nodes/", node.value(), "/replace"),
             .body = kEvenIfUp},
            kAttempts,
            [this](const OperatorAnswer& second) {
              if (second.status != 200) return;
              Soon([this] { ComeWithOldToken(); });
              Come(second, 0);
            },
            [this, node] { notes_.EndReplacing(node); });
      });
}

void ClusterOperator::Restart(size_t place, GroupId group) {
  if (Draw(5, 2) == 0) {
    return Soon([this, place] {
      if (places_.tenant(place).has_value()) places_.Restart(place);
    });
  }
  const Duration time = Seconds(4 + static_cast<int64_t>(Draw(3, 9)));
  Soon([this, place, time] {
    if (places_.HasStore(place)) places_.GoAway(place, time);
  });
  if (Draw(4, 2) == 0) return;
  // Its leader knows that the machine is away.
  const MonoTime now = env_.loop.ReadClock().mono;
  away_ = env_.loop.At(now + MemberRules::kKnownToWork, [this, group] {
    if (acts_) SetReplicas(group, 2);
  });
}

// The controller may keep fewer replicas, on nodes that are lost unnoticed.
void ClusterOperator::Leave(NodeId node, const char* what, std::string body) {
  if (notes_.LostLately() && !rules_.lost().empty()) return;
  notes_.BeginDraining();
  Ask(
      {.method = "POST",
       .target = absl::StrCat("/v1/nodes/", node.value(), what),
       .body = std::move(body)},
      kAttempts, [](const OperatorAnswer&) {},
      [this] { notes_.EndDraining(); });
}

// A leader may make a lost node one of two voters, before it knows of the loss.
void ClusterOperator::SetReplicas(GroupId group, uint64_t replicas) {
  if (notes_.LostLately()) return;
  notes_.BeginShrinking();
  Ask(
      {.method = "PATCH",
       .target = absl::StrCat("/v1/groups/", group.value()),
       .body = absl::StrCat("{\"replicas\":", replicas, "}")},
      kAttempts, [](const OperatorAnswer&) {},
      [this] { notes_.EndShrinking(); });
}

void ClusterOperator::Add() {
  const size_t place = places_.FreePlace(Draw(2, places_.size()));
  if (place == places_.size()) return;
  const uint64_t role = Draw(3, 8);
  Ask({.method = "POST",
       .target = "/v1/nodes",
       .body = role == 0  ? "{\"role\":\"router\"}"
               : role < 3 ? "{\"role\":\"read-only\"}"
                          : "{\"zone\":\"z1\"}"},
      kAttempts, [this, place](const OperatorAnswer& answer) {
        if (answer.status == 200) Come(answer, place);
      });
}

void ClusterOperator::Come(const OperatorAnswer& answer, size_t place) {
  const nlohmann::json& body = answer.body;
  const auto token = shardctrl::ParseToken(body["token"].get<std::string>());
  if (!token.ok()) {
    return world_.Violate(absl::StrCat("token: ", body["token"].dump(), ": ",
                                       token.status().ToString()));
  }
  node::JoinConfig join{.cluster = token->cluster,
                        .node = token->node,
                        .seeds = body["seeds"],
                        .token = body["token"]};
  typed_[token->node].push_back(join);
  if (place == places_.size()) return;
  Soon([this, place, join = std::move(join)] {
    const size_t present = places_.PlaceOf(join.node);
    if (present == place && places_.tenant(place)->erased) {
      return places_.Rejoin(place, join);
    }
    const size_t free =
        places_.tenant(place).has_value() ? places_.FreePlace(place) : place;
    if (free == places_.size()) return;
    // The first store that shows the token is that of the node.
    const bool again = present != places_.size() &&
                       places_.tenant(present)->join.has_value() &&
                       places_.tenant(present)->join->token == join.token;
    if (present != places_.size() && !again) return;
    places_.MoveIn(free,
                   {.node = join.node,
                    .join = join,
                    .refused = again && places_.tenant(present)->created});
  });
}

// A founder works before the controller knows its store. The token that the
// operator gets then must be of no use once the founder has reported it.
void ClusterOperator::ReplaceUnbound() {
  std::vector<NodeId> unbound;
  for (const NodeRecord& node : state().nodes) {
    if (node.store == StoreIncarnation()) unbound.push_back(node.id);
  }
  if (unbound.empty() || CreatesGroups()) return;
  Replace(unbound[Draw(0, unbound.size())], places_.FreePlace(0), kAttempts);
}

// The machine is gone, or the operator thinks so.
void ClusterOperator::ReplaceElsewhere(NodeId node) {
  const size_t place = places_.PlaceOf(node);
  const size_t free = places_.FreePlace(Draw(2, places_.size()));
  const bool gone = Draw(3, 4) != 0;
  Soon([this, node, place, free, gone] {
    if (places_.PlaceOf(node) != place || !places_.HasStore(place) ||
        free == places_.size() || CreatesGroups() || !MayLose(place)) {
      return;
    }
    if (gone) places_.MoveOut(place);
    Replace(node, free, kAttempts);
  });
}

void ClusterOperator::Replace(NodeId node, size_t to, uint32_t attempts) {
  notes_.BeginReplacing(node);
  Ask(
      {.method = "POST",
       .target = absl::StrCat("/v1/nodes/", node.value(), "/replace"),
       .body = kEvenIfUp},
      attempts,
      [this, to](const OperatorAnswer& answer) {
        if (answer.status == 200) Come(answer, to);
      },
      [this, node] { notes_.EndReplacing(node); });
}

void ClusterOperator::KillController() {
  const Duration when = Milliseconds(1) * static_cast<int64_t>(Draw(9, 60));
  world_.At(world_.now() + when, [this] {
    for (size_t place = 0; place < places_.size(); ++place) {
      const node::Server* const server = cluster_.ServerAt(place);
      const raft::Core* const core =
          server == nullptr ? nullptr
                            : server->host().core(shardctrl::kControllerGroup);
      if (core == nullptr || core->role() != raft::RoleKind::kLeader) continue;
      return places_.Restart(place);
    }
  });
}

// ---- The end.

void ClusterOperator::Clear() {
  const auto is_over = [this](size_t place) {
    const std::optional<Tenant>& tenant = places_.tenant(place);
    if (!tenant.has_value() || tenant->refused) return tenant.has_value();
    const NodeRecord* const node = state().FindNode(tenant->node);
    return node != nullptr && IsGone(*node);
  };
  for (size_t place = 0; place < places_.size(); ++place) {
    if (!is_over(place)) continue;
    const uint64_t odds = places_.tenant(place)->refused ? 8 : 4;
    if (Draw(16 + place, odds) != 0) continue;
    // Another operator may be faster.
    Soon([this, is_over, place] {
      if (is_over(place)) places_.MoveOut(place);
    });
  }
}

void ClusterOperator::Care() {
  for (const shardctrl::SlotMove& move : state().moves) {
    if (!move.paused || move.decision != shardctrl::MoveState::kOpen) continue;
    return Ask(
        {.method = "POST",
         .target = absl::StrCat("/v1/moves/", move.id.value(), "/resume")},
        kPatience, [](const OperatorAnswer&) {});
  }
  for (const NodeRecord& node : state().nodes) {
    const size_t place = places_.PlaceOf(node.id);
    const bool here = place != places_.size() && !places_.tenant(place)->erased;
    const bool works = places_.HasStore(place);
    // An operator may have replaced it although it works.
    const bool given_up = works && node.store == StoreIncarnation() &&
                          node.former_store != StoreIncarnation();
    if (IsGone(node) || (works && !given_up)) continue;
    const auto [cared, first] = cared_.try_emplace(node.id, world_.now());
    if (!first && world_.now() - cared->second < kCareAgain) continue;
    cared->second = world_.now();
    if (given_up && !MayLose(place)) {
      // Its new store can never begin. Other nodes take its replicas, if there
      // are enough.
      if (first) continue;
      return Remove(node.id, false);
    }
    size_t to = place;
    if (place == places_.size()) to = places_.FreePlace(node.id.value());
    if (to == places_.size()) to = places_.ReservedPlace();
    const bool leaves = node.leaving || to == places_.size();
    if (here && !leaves) {
      // Its token may not be the newest one.
      Soon([this, place, works] {
        if (!works || MayLose(place)) places_.Erase(place);
      });
    }
    if (leaves) return Remove(node.id, true);
    return Replace(node.id, to, kPatience);
  }
}

void ClusterOperator::Remove(NodeId node, bool lost) {
  Ask({.method = "POST",
       .target = absl::StrCat("/v1/nodes/", node.value(), "/remove"),
       .body = absl::StrCat("{\"lost\":", lost ? "true" : "false", "}")},
      kPatience, [this, node, lost](const OperatorAnswer& answer) {
        if (answer.status != 409 || lost) return;
        for (const shardctrl::GroupRecord& group : state().groups) {
          if (group.id == shardctrl::kControllerGroup || group.replicas == 1)
            continue;
          if (group.WantedOn(node) == nullptr) continue;
          SetReplicas(group.id, group.replicas - 1);
        }
      });
}

}  // namespace quorate::sim
