#include "net/tools/change_operation.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/real_env.h"

namespace quorate::net {

using Json = nlohmann::ordered_json;

namespace {

// The word as a shell reads it.
std::string Quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
      "@%+=:,./_-";
  if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) {
    return word;
  }
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

std::string FinishingCommand(const std::vector<std::string>& words,
                             const std::string& operation) {
  // In front of the others: there it is an option in any case.
  std::string text =
      absl::StrCat(Quoted(words[0]), " --operation ", Quoted(operation));
  for (size_t i = 1; i < words.size(); ++i) {
    const bool has_value = words[i] == "--operation";
    if (has_value) ++i;
    if (has_value || words[i].starts_with("--operation=")) continue;
    absl::StrAppend(&text, " ", Quoted(words[i]));
  }
  return text;
}

ChangeOperation::ChangeOperation(const std::string& finishes,
                                 std::vector<std::string> command)
    : finishes_(!finishes.empty()),
      name_(finishes_
                ? finishes
                : absl::StrCat(absl::Hex(RandomSeed(), absl::kZeroPad16))),
      command_(std::move(command)) {}

std::string ChangeOperation::Header() const {
  if (name_.empty()) return "";
  return absl::StrCat(
      finishes_ ? "Idempotency-Key: " : "Quorate-Operation: ", name_, "\r\n");
}

std::string ChangeOperation::NameIn(const Json& answer) const {
  const Json error =
      answer.is_object() ? answer.value("error", Json()) : Json();
  return error.is_object() ? error.value("operation", name_) : name_;
}

std::string ChangeOperation::Advice(const std::string& name) const {
  if (name.empty()) return ". Type the same command again";
  if (command_.empty()) {
    return ". To finish it, repeat it with the operation " + name;
  }
  return ". To finish it, at any node, type:\n  " +
         FinishingCommand(command_, name);
}

std::string FinishesText(const Json& answer) {
  if (!answer.contains("finishes")) return "";
  return "this finishes the earlier command, whose outcome was not known; for "
         "another change, type it again\n";
}

}  // namespace quorate::net
