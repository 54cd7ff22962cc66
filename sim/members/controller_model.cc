#include "sim/members/controller_model.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/siphash.h"
#include "sim/members/state_difference.h"

namespace quorate::sim {

using shardctrl::AssignedRun;
using shardctrl::ClusterState;
using shardctrl::MapVersion;

namespace {

std::string NameOf(shardctrl::ControllerAnswer::Outcome outcome) {
  switch (outcome) {
    case shardctrl::ControllerAnswer::Outcome::kDone:
      return "done";
    case shardctrl::ControllerAnswer::Outcome::kAlreadySo:
      return "already so";
    case shardctrl::ControllerAnswer::Outcome::kRefused:
      return "refused";
  }
  return "unknown";
}

template <typename Id>
std::string ListOf(const std::vector<Id>& ids) {
  std::string text = "{";
  for (const Id id : ids) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", id.value());
  }
  return text + "}";
}

}  // namespace

ControllerModel::ControllerModel(const ClusterState& first)
    : partitioner_(first.partitioner),
      default_replicas_(first.default_replicas),
      created_groups_(first.created_groups) {
  CHECK(first.operations.empty());
  now_.version = first.version.value();
  now_.repair_after = first.repair_after;
  now_.next_node = first.next_node;
  now_.next_group = first.next_group;
  now_.next_move = first.next_move;
  for (const NodeRecord& node : first.nodes) now_.nodes[node.id] = node;
  for (const GroupRecord& group : first.groups) now_.groups[group.id] = group;
  now_.slots.resize(first.slot_count);
  for (const AssignedRun& run : first.slots) {
    for (uint32_t slot = run.slots.first.value();
         slot <= run.slots.last.value(); ++slot) {
      now_.slots[slot] = {run.group, run.epoch};
    }
  }
  for (const SlotMove& move : first.moves) now_.moves[move.id] = move;
  now_.ended = first.ended_moves;
  now_.history = first.history;
  shown_ = Show(now_);
}

void ControllerModel::Wrong(std::string what) {
  if (wrong_.empty()) wrong_ = std::move(what);
}

ClusterState ControllerModel::Show(const State& state) const {
  ClusterState shown;
  shown.version = MapVersion(state.version);
  shown.partitioner = partitioner_;
  shown.slot_count = static_cast<uint32_t>(state.slots.size());
  shown.default_replicas = default_replicas_;
  shown.repair_after = state.repair_after;
  shown.next_node = state.next_node;
  shown.next_group = state.next_group;
  shown.next_move = state.next_move;
  for (const auto& [id, node] : state.nodes) shown.nodes.push_back(node);
  for (const auto& [id, group] : state.groups) shown.groups.push_back(group);
  for (uint32_t i = 0; i < state.slots.size(); ++i) {
    const SlotOwner& owner = state.slots[i];
    const Slot slot(static_cast<uint16_t>(i));
    AssignedRun* const last =
        shown.slots.empty() ? nullptr : &shown.slots.back();
    if (last != nullptr && last->group == owner.group &&
        last->epoch == owner.epoch) {
      last->slots.last = slot;
    } else {
      shown.slots.push_back({{slot, slot}, owner.group, owner.epoch});
    }
  }
  for (const auto& [id, move] : state.moves) shown.moves.push_back(move);
  shown.ended_moves = state.ended;
  shown.created_groups = created_groups_;
  shown.history = state.history;
  for (const Operation& one : state.operations) {
    shown.operations.push_back(one.shown);
  }
  return shown;
}

std::string ControllerModel::Execute(const Command& command, WallTime log_time,
                                     const Effect& effect) {
  const std::string bytes = shardctrl::EncodeCommand(command);
  for (const Operation& one : now_.operations) {
    if (!command.operation.empty() && one.shown.id == command.operation) {
      return ExecuteAgain(one, bytes, effect);
    }
  }
  wrong_.clear();
  next_ = now_;
  log_time_ = log_time;
  effect_ = &effect;
  const Verdict verdict =
      std::visit([this](const auto& body) { return Do(body); }, command.body);
  if (effect.answer.outcome != verdict.outcome) {
    // The effects of another outcome say nothing.
    wrong_ = absl::StrCat("answered '", NameOf(effect.answer.outcome), ": ",
                          effect.answer.text, "' instead of '",
                          NameOf(verdict.outcome), "'");
    return wrong_;
  }
  if (verdict.outcome == Outcome::kDone) {
    Finish(command, bytes);
  } else {
    next_ = now_;
  }
  CompareAnswer(verdict);
  if (!wrong_.empty()) return wrong_;
  if (verdict.outcome == Outcome::kDone) {
    CheckInvariants(command);
    now_ = std::move(next_);
    shown_ = Show(now_);
  }
  if (std::string different = FindDifference(effect.after, shown_);
      !different.empty()) {
    Wrong("state of the product: " + different);
  }
  return wrong_;
}

// An operation has one answer for ever.
std::string ControllerModel::ExecuteAgain(const Operation& first,
                                          const std::string& bytes,
                                          const Effect& effect) const {
  if (first.command == bytes) {
    if (!(effect.answer == first.answer)) {
      return absl::StrCat("an operation is answered '", effect.answer.text,
                          "' after '", first.answer.text, "'");
    }
  } else if (effect.answer.outcome != Outcome::kRefused) {
    return "another command had this operation id, and it is executed";
  }
  if (std::string different = FindDifference(effect.after, shown_);
      !different.empty()) {
    return "an operation is executed twice: " + different;
  }
  return "";
}

void ControllerModel::Finish(const Command& command, const std::string& bytes) {
  ++next_.version;
  ComposeGroups();
  ShareSlots();
  EndMoves();
  RemoveDrainedNodes();
  if (FreshMove() != nullptr) {
    Wrong(absl::StrCat("move ", FreshMove()->id.value(),
                       " begins without a reason"));
  }
  if (shardctrl::IsOperatorsCommand(command)) {
    next_.history.push_back(
        {MapVersion(next_.version), log_time_, shardctrl::Describe(command)});
    while (next_.history.size() > shardctrl::kHistoryMax) {
      next_.history.erase(next_.history.begin());
    }
  }
  if (command.operation.empty()) return;
  std::erase_if(next_.operations, [&](const Operation& one) {
    return log_time_ - one.shown.log_time > shardctrl::kOperationsKept;
  });
  Operation operation;
  operation.command = bytes;
  operation.answer = effect_->answer;
  operation.shown.id = command.operation;
  operation.shown.log_time = log_time_;
  operation.shown.command = SipHash(SipKey{}, bytes);
  operation.shown.answer = shardctrl::EncodeAnswer(effect_->answer);
  next_.operations.push_back(std::move(operation));
  while (next_.operations.size() > shardctrl::kOperationsMax) {
    next_.operations.erase(next_.operations.begin());
  }
}

void ControllerModel::CompareAnswer(const Verdict& verdict) {
  const Answer& answer = effect_->answer;
  if (answer.version.value() != next_.version) {
    Wrong(absl::StrCat("the answer has version ", answer.version.value(),
                       " instead of ", next_.version));
  }
  if (answer.node != verdict.node) {
    Wrong(absl::StrCat("the answer has node ", answer.node.value(),
                       " instead of ", verdict.node.value()));
  }
  if (answer.token_expires != verdict.token_expires) {
    Wrong("the answer has another end of the token");
  }
  if (answer.groups != verdict.groups) {
    Wrong(absl::StrCat("the answer has groups ", ListOf(answer.groups),
                       " instead of ", ListOf(verdict.groups)));
  }
  if (answer.moves != verdict.moves) {
    Wrong(absl::StrCat("the answer has moves ", ListOf(answer.moves),
                       " instead of ", ListOf(verdict.moves)));
  }
  if (answer.text.empty()) Wrong("the answer says nothing");
}

// Rules over the steps of the state. They hold for the model, too.
void ControllerModel::CheckInvariants(const Command& command) {
  if (next_.version <= now_.version || next_.next_node < now_.next_node ||
      next_.next_group < now_.next_group || next_.next_move < now_.next_move) {
    Wrong("a number falls");
  }
  std::map<StoreIncarnation, NodeId> bound;
  for (const auto& [id, node] : next_.nodes) {
    for (const StoreIncarnation store : {node.store, node.former_store}) {
      if (store == StoreIncarnation()) continue;
      const auto [at, first] = bound.emplace(store, id);
      if (first) continue;
      Wrong(absl::StrCat("a store is that of nodes ", at->second.value(),
                         " and ", id.value()));
    }
  }
  CheckOwners();
  // These say what happened. All others leave each group the majority that it
  // has.
  if (std::holds_alternative<Command::ReportSilence>(command.body) ||
      std::holds_alternative<Command::ReportGroup>(command.body)) {
    return;
  }
  for (const auto& [id, group] : now_.groups) {
    // A retired group has ended with its last slot, so its nodes may go.
    if (!next_.groups.contains(id)) continue;
    const raft::Configuration* const known = Known(group);
    if (known == nullptr || !HasMajority(now_, *known) ||
        HasMajority(next_, *known)) {
      continue;
    }
    Wrong(absl::StrCat("group ", id.value(), " loses its majority"));
  }
}

// A slot has one owner in an epoch, and later owners have later epochs.
void ControllerModel::CheckOwners() {
  std::map<SlotEpoch, GroupId> owners;
  for (size_t i = 0; i < next_.slots.size(); ++i) {
    const SlotOwner& owner = next_.slots[i];
    const SlotOwner& before = now_.slots[i];
    const bool same = owner.group == before.group;
    if (same ? owner.epoch != before.epoch : owner.epoch <= before.epoch) {
      Wrong(absl::StrCat("slot ", i, " has another owner without an epoch"));
    }
    // All groups of the founding have epoch 1.
    const bool as_its_neighbour = i > 0 &&
                                  next_.slots[i - 1].epoch == owner.epoch &&
                                  next_.slots[i - 1].group == owner.group;
    if (owner.epoch <= SlotEpoch(1) || as_its_neighbour) continue;
    const auto [at, first] = owners.emplace(owner.epoch, owner.group);
    if (at->second != owner.group) {
      Wrong(absl::StrCat("epoch ", owner.epoch.value(), " has two owners"));
    }
  }
}

}  // namespace quorate::sim
