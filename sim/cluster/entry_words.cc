#include "sim/cluster/entry_words.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"

namespace quorate::sim {
namespace {

using shardctrl::ControllerCommand;

constexpr size_t kArgumentShownMax = 40;
constexpr uint32_t kCommandsShownMax = 40;

std::string Shown(std::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, kArgumentShownMax)) {
    text += c >= ' ' && c <= '~' ? c : '.';
  }
  if (bytes.size() > kArgumentShownMax) text += "…";
  return text;
}

std::string NameOf(MoveId move) { return absl::StrCat("move ", move.value()); }

// A plan as "move 3 of slots 5-9 from group 1 to group 2, epoch 4".
std::string PlanWords(const kv::MovePlan& plan) {
  return absl::StrCat(NameOf(plan.id), " of slots ",
                      shardctrl::FormatSlotRanges(plan.slots), " from group ",
                      plan.from.value(), " to group ", plan.to.value(),
                      ", epoch ", plan.epoch.value());
}

struct StepWords {
  std::string operator()(const kv::PrepareStep& step) const {
    return absl::StrCat("prepare ", PlanWords(step.plan));
  }
  std::string operator()(const kv::TrackStep& step) const {
    return absl::StrCat("track ", PlanWords(step.plan),
                        ", changes acknowledged to ",
                        step.acknowledged.value());
  }
  std::string operator()(const kv::StageStep& step) const {
    const kv::PieceStream& stream = step.piece.stream;
    const std::string of =
        stream.changes
            ? absl::StrCat("changes ", stream.from.value(), "..",
                           stream.to.value(), " of ", stream.last.value())
            : absl::StrCat("slot ", stream.slot.value(), " as of index ",
                           stream.view.value());
    return absl::StrCat("stage ", NameOf(step.move), ", ", of, ", ",
                        step.piece.bytes.size(), " bytes",
                        step.piece.ends ? ", the last" : "");
  }
  std::string operator()(const kv::FreezeStep& step) const {
    return absl::StrCat("freeze ", NameOf(step.move));
  }
  std::string operator()(const kv::SealStep& step) const {
    return absl::StrCat("seal ", NameOf(step.move), ", changes to ",
                        step.seal.changes.value());
  }
  std::string operator()(const kv::ActivateStep& step) const {
    return absl::StrCat("activate ", PlanWords(step.plan));
  }
  std::string operator()(const kv::ReleaseStep& step) const {
    return absl::StrCat("release ", PlanWords(step.plan));
  }
  std::string operator()(const kv::AbortStep& step) const {
    return absl::StrCat("abort ", PlanWords(step.plan));
  }
};

std::string Words(kv::CommandReader* reader);

std::string Words(const kv::CommandView& command) {
  if (command.op == kv::Op::kAtomic) {
    kv::CommandReader nested = kv::CommandReader::Nested(command);
    return absl::StrCat("atomic (", Words(&nested), ")");
  }
  kv::ArgumentReader arguments = command.arguments;
  if (command.op == kv::Op::kMove && arguments.count() == 1) {
    const std::optional<kv::MoveStep> step =
        kv::DecodeMoveStep(arguments.Next());
    return step.has_value() ? std::visit(StepWords{}, *step)
                            : "a step of a move that cannot be read";
  }
  std::string text(kv::OpName(command.op));
  for (uint32_t i = 0; i < arguments.count(); ++i) {
    std::string_view argument = arguments.Next();
    if (kv::NamesSlots(command.op)) {
      argument.remove_prefix(std::min(kv::kSlotPrefixBytes, argument.size()));
    }
    absl::StrAppend(&text, " ", Shown(argument));
  }
  if (command.op == kv::Op::kIncrBy || command.op == kv::Op::kFlush ||
      command.op == kv::Op::kExpire || command.op == kv::Op::kSetBit) {
    absl::StrAppend(&text, " ", command.numbers[0]);
  }
  if ((command.flags & kv::kIfAbsent) != 0) text += " if absent";
  if ((command.flags & kv::kIfPresent) != 0) text += " if present";
  if (command.has_expected) text += " if unchanged";
  if (command.has_expiry) {
    absl::StrAppend(&text, " expires ",
                    (command.flags & kv::kRelativeExpiry) != 0 ? "in " : "at ",
                    command.expire_at_ms, " ms");
  }
  if (command.has_session) {
    absl::StrAppend(&text, " (number ", command.session.sequence.value(),
                    " of a session)");
  }
  return text;
}

// Equal commands in a row have one place.
std::string Words(kv::CommandReader* reader) {
  std::string text;
  std::string last;
  size_t times = 0;
  uint32_t shown = 0;
  const auto add = [&] {
    if (times == 0) return;
    absl::StrAppend(&text, text.empty() ? "" : "; ",
                    times > 1 ? absl::StrCat(times, " times ") : "", last);
    ++shown;
  };
  for (; !reader->done() && shown < kCommandsShownMax; ++times) {
    kv::CommandView command;
    const std::string next =
        reader->Next(&command) ? Words(command) : "a malformed command";
    if (next != last) {
      add();
      times = 0;
      last = next;
    }
  }
  if (shown == kCommandsShownMax) return text + "; …";
  add();
  return text;
}

std::string MembersOf(const raft::Configuration& configuration) {
  std::string text = "voters";
  for (const raft::Member& member : configuration.voters) {
    absl::StrAppend(&text, " n", member.node.value());
  }
  for (const raft::Member& member : configuration.learners) {
    absl::StrAppend(&text, " (learner n", member.node.value(), ")");
  }
  return text;
}

// The reports of nodes; an operator's commands have words of their own.
struct ReportWords {
  std::string operator()(const ControllerCommand::BindNode& bind) const {
    return absl::StrCat("a store shows the token of n", bind.node.value());
  }
  std::string operator()(const ControllerCommand::ReportNode& report) const {
    return absl::StrCat("n", report.node.value(), " reports its addresses");
  }
  std::string operator()(const ControllerCommand::ReportGroup& report) const {
    const shardctrl::ReportedConfiguration& reported = report.configuration;
    std::string text = absl::StrCat("n", reported.leader.value(),
                                    " reports group ", report.group.value(),
                                    ": ", MembersOf(reported.configuration));
    if (reported.next.has_value()) {
      absl::StrAppend(&text, ", next: ", MembersOf(*reported.next));
    }
    if (!reported.problem.empty()) {
      absl::StrAppend(&text, ", problem: ", reported.problem);
    }
    return text;
  }
  std::string operator()(const ControllerCommand::ReportReplica& report) const {
    return absl::StrCat("n", report.node.value(), " has a replica of group ",
                        report.group.value());
  }
  std::string operator()(const ControllerCommand::ReportSilence& report) const {
    return absl::StrCat("n", report.node.value(), " is silent");
  }
  std::string operator()(const ControllerCommand::ReportSign& report) const {
    return absl::StrCat("n", report.node.value(), " is heard again");
  }
  std::string operator()(const ControllerCommand::ReportEmpty& report) const {
    return absl::StrCat("n", report.node.value(), " has no replica left");
  }
  std::string operator()(const ControllerCommand::ReportMove& report) const {
    const MovePhase source = report.progress.source;
    return absl::StrCat(NameOf(report.move),
                        source == MovePhase::kNone       ? " prepares"
                        : source == MovePhase::kTracking ? " copies"
                                                         : " is frozen",
                        report.progress.problem.empty() ? "" : ", problem: ",
                        report.progress.problem);
  }
  std::string operator()(const ControllerCommand::DecideMove& decide) const {
    return decide.give_up.empty()
               ? absl::StrCat(NameOf(decide.move), " is decided")
               : absl::StrCat(NameOf(decide.move),
                              " is given up: ", decide.give_up);
  }
  std::string operator()(const ControllerCommand::ReportMoveEnd& report) const {
    return absl::StrCat("group ", report.group.value(), " has ended ",
                        NameOf(report.move));
  }
  template <typename Other>
  std::string operator()(const Other&) const {
    return "";
  }
};

std::string ControllerWords(std::string_view payload) {
  const absl::StatusOr<ControllerCommand> command =
      shardctrl::DecodeCommand(payload);
  if (!command.ok()) return std::string(command.status().message());
  return shardctrl::IsOperatorsCommand(*command)
             ? absl::StrCat("operator: ", shardctrl::Describe(*command))
             : std::visit(ReportWords{}, command->body);
}

}  // namespace

std::string CommandsOf(GroupId group, const raft::Entry& entry) {
  const std::string_view payload = entry.payload.view();
  if (group == shardctrl::kControllerGroup) return ControllerWords(payload);
  kv::CommandReader reader(payload);
  if (!reader.ok()) return "a batch that is not well formed";
  return Words(&reader);
}

}  // namespace quorate::sim
