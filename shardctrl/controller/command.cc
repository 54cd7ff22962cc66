#include "shardctrl/controller/command.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/codec.h"
#include "shardctrl/move.h"

namespace quorate::shardctrl {
namespace {

constexpr uint8_t kCommandVersion = 1;
constexpr size_t kBodies = std::variant_size_v<ControllerCommand::Body>;
constexpr size_t kOperatorsBodies = 16;

using Command = ControllerCommand;

// Reads the body with this number.
template <size_t kAt = 0>
Command::Body ReadBody(FieldReader& reader, uint8_t number) {
  if constexpr (kAt < kBodies) {
    if (number != kAt) return ReadBody<kAt + 1>(reader, number);
    std::variant_alternative_t<kAt, Command::Body> body;
    reader(body);
    return body;
  } else {
    reader.Fail();
    return Command::ReportSign{};
  }
}

absl::Status Refuse(std::string text) {
  return absl::InvalidArgumentError(text);
}

// Names and places are printed in tables and lines of commands.
absl::Status CheckWord(const std::string& what, const std::string& word) {
  if (word.size() > kNameBytesMax) {
    return Refuse(absl::StrCat("the ", what, " has ", word.size(),
                               " bytes, at most ", kNameBytesMax,
                               " are allowed"));
  }
  for (char c : word) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
        c != '.') {
      return Refuse(absl::StrCat("the ", what,
                                 " may have letters, digits, '-', '_' and '.' "
                                 "only"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWeight(uint32_t weight) {
  if (weight == 0) {
    return Refuse(
        "the weight must be at least 1; to give a node no replicas, drain it; "
        "to give a group no slots, retire it");
  }
  if (weight > kWeightMax) {
    return Refuse(absl::StrCat("the weight is ", weight, ", at most ",
                               kWeightMax, " is allowed"));
  }
  return absl::OkStatus();
}

absl::Status CheckToken(const TokenDigest& token, Duration valid_for) {
  if (token.empty() || valid_for <= Duration() || valid_for > kTokenValidMax) {
    return Refuse(
        "a token must have a secret, and be valid for at most 30 "
        "days");
  }
  return absl::OkStatus();
}

absl::Status CheckReplicas(uint32_t replicas) {
  if (replicas == 0 || replicas > kReplicasMax) {
    return Refuse(absl::StrCat("a group has 1 to ", kReplicasMax,
                               " replicas, not ", replicas));
  }
  return absl::OkStatus();
}

absl::Status FirstError(absl::Status a, absl::Status b, absl::Status c = {}) {
  if (!a.ok()) return a;
  return b.ok() ? c : b;
}

// Checks the values of one body. Commands about unknown nodes and groups are
// well formed: Apply refuses them.
struct Checker {
  absl::Status operator()(const Command::AddNode& add) const {
    if (add.role < NodeRole::kData || add.role > NodeRole::kRouter) {
      return Refuse("unknown role of a node");
    }
    return FirstError(
        FirstError(CheckWord("name", add.name), CheckWord("zone", add.zone),
                   CheckWord("host", add.host)),
        CheckWeight(add.weight), CheckToken(add.token, add.valid_for));
  }
  absl::Status operator()(const Command::SetNode& set) const {
    if (set.name.has_value() && set.name->empty()) {
      return Refuse("the name of a node must not be empty");
    }
    return FirstError(FirstError(CheckWord("name", set.name.value_or("")),
                                 CheckWord("zone", set.zone.value_or("")),
                                 CheckWord("host", set.host.value_or(""))),
                      CheckWeight(set.weight.value_or(1)));
  }
  absl::Status operator()(const Command::ReplaceNode& replace) const {
    return CheckToken(replace.token, replace.valid_for);
  }
  absl::Status operator()(const Command::CreateGroups& create) const {
    if (create.count == 0 || create.count > kCreatedGroupsMax) {
      return Refuse(
          absl::StrCat("create 1 to ", kCreatedGroupsMax, " groups at a time"));
    }
    return FirstError(CheckReplicas(create.replicas == 0 ? 1 : create.replicas),
                      CheckWeight(create.weight));
  }
  absl::Status operator()(const Command::SetGroup& set) const {
    if (!set.replicas.has_value() && !set.weight.has_value()) {
      return Refuse("give replicas, or weight, or both");
    }
    return FirstError(CheckReplicas(set.replicas.value_or(1)),
                      CheckWeight(set.weight.value_or(1)));
  }
  absl::Status operator()(const Command::SetRepair& set) const {
    if (set.after != Duration() &&
        (set.after < kRepairAfterMin || set.after > kRepairAfterMax)) {
      return Refuse("repair begins after 10 seconds to 30 days, or is off");
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::RecoverGroup& recover) const {
    if (recover.replica == ReplicaId() || recover.generation == 0) {
      return Refuse("no replica, or no generation");
    }
    if (recover.broken.size() > raft::kConfigurationMembersMax) {
      return Refuse("too many voters");
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::MoveSlots& move) const {
    if (move.slots.empty() == (move.count == 0)) {
      return Refuse("name either slots, or a group and how many of its slots");
    }
    if (move.slots.size() > kMoveRangesMax) {
      return Refuse(absl::StrCat("name at most ", kMoveRangesMax,
                                 " ranges of slots at a time"));
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::ReportMove& report) const {
    const MoveProgress& progress = report.progress;
    if (!IsSourcePhase(progress.source) ||
        !IsDestinationPhase(progress.destination)) {
      return Refuse("unknown phase of a move");
    }
    if (progress.problem.size() > kProblemBytesMax) {
      return Refuse("long problem");
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::DecideMove& decide) const {
    if (decide.give_up.size() > kProblemBytesMax) return Refuse("long reason");
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::BindNode& bind) const {
    if (bind.store == StoreIncarnation()) return Refuse("no store");
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::ReportNode& report) const {
    const ReportedAddresses& all = report.addresses;
    for (const std::string* address :
         {&all.peer, &all.resp, &all.resp_cluster, &all.http, &all.admin}) {
      if (address->size() > kAddressBytesMax) return Refuse("long address");
    }
    if (all.peer.empty()) return Refuse("no address for peers");
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::ReportGroup& report) const {
    if (report.configuration.problem.size() > kProblemBytesMax) {
      return Refuse("long problem");
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const Command::ReportReplica& report) const {
    if (report.replica == ReplicaId() || report.store == StoreIncarnation()) {
      return Refuse("no replica, or no store");
    }
    return absl::OkStatus();
  }
  template <typename Other>
  absl::Status operator()(const Other&) const {
    return absl::OkStatus();
  }
};

// The words of an operator's command.
struct Describer {
  std::string operator()(const Command::AddNode& add) const {
    return absl::StrCat("node add", add.name.empty() ? "" : " --name ",
                        add.name, add.zone.empty() ? "" : " --zone ", add.zone,
                        add.host.empty() ? "" : " --host ", add.host,
                        " --weight ", add.weight);
  }
  std::string operator()(const Command::SetNode& set) const {
    std::string text = absl::StrCat("node set ", set.node.value());
    if (set.name) absl::StrAppend(&text, " --name ", *set.name);
    if (set.zone) absl::StrAppend(&text, " --zone ", *set.zone);
    if (set.host) absl::StrAppend(&text, " --host ", *set.host);
    if (set.weight) absl::StrAppend(&text, " --weight ", *set.weight);
    return text;
  }
  std::string operator()(const Command::DrainNode& drain) const {
    return absl::StrCat("node drain ", drain.node.value());
  }
  std::string operator()(const Command::UndrainNode& undrain) const {
    return absl::StrCat("node undrain ", undrain.node.value());
  }
  std::string operator()(const Command::RemoveNode& remove) const {
    return absl::StrCat("node remove ", remove.node.value(),
                        remove.lost ? " --lost" : "");
  }
  std::string operator()(const Command::ReplaceNode& replace) const {
    return absl::StrCat("node replace ", replace.node.value());
  }
  std::string operator()(const Command::CreateGroups& create) const {
    std::string text = absl::StrCat("group create --count ", create.count);
    if (create.weight != kGroupWeight) {
      absl::StrAppend(&text, " --weight ", create.weight);
    }
    return text;
  }
  std::string operator()(const Command::SetGroup& set) const {
    std::string text = absl::StrCat("group set ", set.group.value());
    if (set.replicas) absl::StrAppend(&text, " --replicas ", *set.replicas);
    if (set.weight) absl::StrAppend(&text, " --weight ", *set.weight);
    return text;
  }
  std::string operator()(const Command::TransferGroup& transfer) const {
    return absl::StrCat("group transfer ", transfer.group.value(), " ",
                        transfer.to.value());
  }
  std::string operator()(const Command::SetRepair& set) const {
    if (set.after == Duration()) return "repair set --after off";
    return absl::StrCat("repair set --after ", set.after.ms() / 1000, "s");
  }
  std::string operator()(const Command::RecoverGroup& recover) const {
    return absl::StrCat("recover ", recover.group.value(),
                        " --accept-loss, from node ", recover.node.value());
  }
  std::string operator()(const Command::MoveSlots& move) const {
    std::string text = absl::StrCat("slots move --to ", move.to.value());
    if (move.slots.empty()) {
      absl::StrAppend(&text, " --from ", move.from.value(), " --count ",
                      move.count);
    } else {
      absl::StrAppend(&text, " --slots ", FormatSlotRanges(move.slots));
    }
    if (move.rate_max > 0) absl::StrAppend(&text, " --rate ", move.rate_max);
    return text;
  }
  std::string operator()(const Command::CancelMove& cancel) const {
    return absl::StrCat("slots cancel ", cancel.move.value());
  }
  std::string operator()(const Command::PauseMove& pause) const {
    return absl::StrCat(pause.paused ? "slots pause " : "slots resume ",
                        pause.move.value());
  }
  std::string operator()(const Command::Rebalance&) const {
    return "rebalance";
  }
  std::string operator()(const Command::RetireGroup& retire) const {
    return absl::StrCat("group retire ", retire.group.value());
  }
  template <typename Report>
  std::string operator()(const Report&) const {
    return "report of a node";
  }
};

}  // namespace

absl::StatusOr<ControllerCommand> DecodeCommand(std::string_view bytes) {
  FieldReader reader(bytes);
  uint8_t version = 0, number = 0;
  OperationId operation;
  reader(version, number, operation);
  if (version > kCommandVersion ||
      (version == kCommandVersion && number >= kBodies)) {
    return absl::UnimplementedError(
        "a newer program wrote this command of the controller");
  }
  ControllerCommand command(operation, ReadBody(reader, number));
  if (version != kCommandVersion || !reader.Complete()) {
    return absl::InvalidArgumentError("damaged command of the controller");
  }
  absl::Status status = std::visit(Checker{}, command.body);
  if (!status.ok()) return status;
  return command;
}

std::string EncodeCommand(const ControllerCommand& command) {
  FieldWriter writer;
  writer(kCommandVersion, static_cast<uint8_t>(command.body.index()),
         command.operation);
  std::visit([&](const auto& body) { writer(body); }, command.body);
  return writer.Take();
}

bool IsOperatorsCommand(const ControllerCommand& command) {
  static_assert(std::is_same_v<
                std::variant_alternative_t<kOperatorsBodies, Command::Body>,
                Command::BindNode>);
  return command.body.index() < kOperatorsBodies;
}

std::string Describe(const ControllerCommand& command) {
  return std::visit(Describer{}, command.body);
}

void ControllerAnswer::SetSteps(std::vector<std::string> all) {
  steps = std::move(all);
  if (steps.size() <= kStepsMax) return;
  const size_t others = steps.size() - (kStepsMax - 1);
  steps.resize(kStepsMax - 1);
  steps.push_back(absl::StrCat("and ", others, " other steps"));
}

std::string EncodeAnswer(const ControllerAnswer& answer) {
  return EncodeFields(answer);
}

absl::StatusOr<ControllerAnswer> DecodeAnswer(std::string_view bytes) {
  FieldReader reader(bytes);
  ControllerAnswer answer;
  reader(answer);
  if (!reader.Complete() || answer.outcome < ControllerAnswer::Outcome::kDone ||
      answer.outcome > ControllerAnswer::Outcome::kRefused) {
    return absl::DataLossError("damaged answer of the controller");
  }
  return answer;
}

}  // namespace quorate::shardctrl
