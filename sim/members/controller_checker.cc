#include "sim/members/controller_checker.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/siphash.h"
#include "raft/core/configuration.h"

namespace quorate::sim {
namespace {

using Command = shardctrl::ControllerCommand;

// For people. The product has one name for all reports.
struct Describer {
  std::string operator()(const Command::BindNode& bind) const {
    return absl::StrCat("binding of node ", bind.node.value());
  }
  std::string operator()(const Command::ReportNode& report) const {
    return absl::StrCat("report of node ", report.node.value());
  }
  std::string operator()(const Command::ReportSilence& report) const {
    return absl::StrCat("silence of node ", report.node.value());
  }
  std::string operator()(const Command::ReportSign& report) const {
    return absl::StrCat("sign of node ", report.node.value());
  }
  std::string operator()(const Command::ReportEmpty& report) const {
    return absl::StrCat("node ", report.node.value(), " is empty");
  }
  std::string operator()(const Command::ReportGroup& report) const {
    return absl::StrCat("report of group ", report.group.value());
  }
  std::string operator()(const Command::ReportReplica& report) const {
    return absl::StrCat("replica ", report.replica.value(), " of group ",
                        report.group.value(), " on node ", report.node.value());
  }
  std::string operator()(const Command::ReportMove& report) const {
    return absl::StrCat("report of move ", report.move.value());
  }
  std::string operator()(const Command::DecideMove& decide) const {
    return absl::StrCat("decision of move ", decide.move.value());
  }
  std::string operator()(const Command::ReportMoveEnd& report) const {
    return absl::StrCat("end of move ", report.move.value(), " at group ",
                        report.group.value());
  }
  template <typename Other>
  std::string operator()(const Other& other) const {
    return shardctrl::Describe({{}, other});
  }
};

}  // namespace

void ControllerChecker::OnCommitted(const raft::Entry& entry) {
  executed_.reset();
  if (entry.kind == raft::EntryKind::kConfiguration && product_ == nullptr) {
    const auto first = raft::DecodeConfiguration(entry.payload.view());
    CHECK(first.ok()) << first.status().ToString();
    auto machine =
        shardctrl::ControllerMachine::Create(first->parameters.view());
    CHECK(machine.ok()) << machine.status().ToString();
    product_ = *std::move(machine);
    const auto state = shardctrl::DecodeState(first->parameters.view());
    CHECK(state.ok()) << state.status().ToString();
    model_.emplace(*state);
  }
  if (product_ == nullptr) return;
  if (entry.kind == raft::EntryKind::kCommands) Execute(entry);
  if (!differs_) ExpectDigest(entry.index);
}

void ControllerChecker::Execute(const raft::Entry& entry) {
  const auto command = shardctrl::DecodeCommand(entry.payload.view());
  const Buffer result = product_->Apply(entry, /*wants_result=*/true);
  if (!command.ok()) return;
  const auto answer = shardctrl::DecodeAnswer(result.view());
  CHECK(answer.ok()) << answer.status().ToString();
  executed_ = {*command, *answer};
  if (differs_) return;
  const std::string wrong =
      model_->Execute(*command, entry.log_time, {*answer, product_->state()});
  if (wrong.empty()) return;
  differs_ = true;
  violate_(absl::StrCat("controller: '", std::visit(Describer{}, command->body),
                        "' at index ", entry.index.value(), " was answered '",
                        answer->text, "': ", wrong));
}

void ControllerChecker::ExpectDigest(raft::Index index) {
  if (digest_.first != state()->version) {
    digest_ = {state()->version,
               SipHash(SipKey{}, shardctrl::EncodeState(*state()))};
  }
  expect_(index, digest_.second);
}

}  // namespace quorate::sim
