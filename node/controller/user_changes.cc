#include "node/controller/user_changes.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "node/acl/user.h"
#include "node/base/text.h"

namespace quorate::node {

using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;

namespace {

absl::Status Invalid(std::string_view text) {
  return absl::InvalidArgumentError(Concat(text));
}

// The user of the record, or as it is where there is none. `must_authenticate`
// does not matter here: a change of "default" shows its rules.
AclUser UserOf(const shardctrl::ClusterState& state, const std::string& name) {
  const shardctrl::UserRecord* const record = state.FindUser(name);
  AclUser user(name);
  if (record != nullptr) {
    user.ApplyText(record->rules);
  } else if (name == kDefaultUser) {
    user = AclUser::Open();
  }
  return user;
}

}  // namespace

void UserChanges::SetUser(std::string name, std::vector<std::string> rules,
                          std::string author, Done done) {
  const std::string_view error = UserNameError(name);
  if (!error.empty()) return done(Invalid(error));
  Begin(std::make_shared<Change>(Change{.name = std::move(name),
                                        .rules = std::move(rules),
                                        .author = std::move(author),
                                        .done = std::move(done)}));
}

void UserChanges::DeleteUsers(std::vector<std::string> names,
                              std::string author, Done done) {
  for (const std::string& name : names) {
    if (name == kDefaultUser) {
      return done(Invalid("The 'default' user cannot be removed"));
    }
  }
  if (names.size() > shardctrl::kDeletedUsersMax) {
    return done(Invalid("remove at most 100 users at a time"));
  }
  Begin(std::make_shared<Change>(Change{.removed = std::move(names),
                                        .author = std::move(author),
                                        .done = std::move(done)}));
}

void UserChanges::Begin(Shared change) {
  agent_.Refresh([this, change](const absl::Status& status) {
    if (!status.ok()) return Finish(change, status);
    Execute(change);
  });
}

absl::StatusOr<ControllerCommand::Body> UserChanges::CommandOf(
    const Change& change) const {
  if (!change.removed.empty()) {
    return ControllerCommand::DeleteUsers{change.removed};
  }
  AclUser user = UserOf(agent_.state(), change.name);
  const std::vector<std::string_view> rules(change.rules.begin(),
                                            change.rules.end());
  const std::string error = user.Apply(rules);
  if (!error.empty()) return Invalid(error);
  const shardctrl::UserRecord* const record =
      agent_.state().FindUser(change.name);
  ControllerCommand::SetUser set{.name = change.name, .rules = user.Rules()};
  if (record != nullptr) set.known = record->version;
  const size_t bytes = set.name.size() + set.rules.size();
  if (bytes > shardctrl::kUserBytesMax) {
    return Invalid(Concat("the user has ", bytes,
                          " bytes of name and rules, at most ",
                          shardctrl::kUserBytesMax, " are allowed"));
  }
  return set;
}

void UserChanges::Execute(Shared change) {
  auto body = CommandOf(*change);
  if (!body.ok()) return Finish(change, body.status());
  const auto [first, second] = agent_.Secret("");
  ControllerCommand command({first, second}, *std::move(body));
  command.author = change->author.substr(0, shardctrl::kAuthorBytesMax);
  agent_.Execute(std::move(command), /*dry_run=*/false,
                 [this, change](absl::StatusOr<ControllerAnswer> answer) {
                   OnAnswer(change, answer);
                 });
}

void UserChanges::OnAnswer(Shared change,
                           const absl::StatusOr<ControllerAnswer>& answer) {
  if (!answer.ok()) return Finish(change, answer.status());
  if (answer->outcome == ControllerAnswer::Outcome::kRefused) {
    if (answer->text == shardctrl::kUserChanged &&
        ++change->tries < kTriesMax) {
      return Begin(change);
    }
    return Finish(change, absl::FailedPreconditionError(answer->text));
  }
  // A removal of users that do not exist changed nothing.
  const size_t changed = change->removed.empty() ? 1 : answer->steps.size();
  agent_.Refresh([this, change, changed](const absl::Status& status) {
    // The change is made. This node hears of it later.
    if (!status.ok()) return Finish(change, changed);
    agent_.TellState([this, change, changed] { Finish(change, changed); });
  });
}

void UserChanges::Finish(const Shared& change, absl::StatusOr<size_t> result) {
  const std::string what =
      change->removed.empty()
          ? Concat("user set ", change->name)
          : absl::StrCat("user remove ", absl::StrJoin(change->removed, " "));
  tracer_.Log(env::Severity::kInfo,
              Concat(what, ", by ", change->author, ": ",
                     result.ok() ? "done" : Message(result.status())));
  change->done(std::move(result));
}

}  // namespace quorate::node
