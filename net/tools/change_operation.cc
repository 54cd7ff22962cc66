#include "net/tools/change_operation.h"

#include "absl/strings/str_cat.h"
#include "net/real_env.h"

namespace quorate::net {

using Json = nlohmann::ordered_json;

ChangeOperation::ChangeOperation(const std::string& finishes)
    : finishes_(!finishes.empty()),
      name_(finishes_
                ? finishes
                : absl::StrCat(absl::Hex(RandomSeed(), absl::kZeroPad16))) {}

std::string ChangeOperation::Header() const {
  return absl::StrCat(
      finishes_ ? "Idempotency-Key: " : "Quorate-Operation: ", name_, "\r\n");
}

std::string ChangeOperation::Advice(const Json& answer) const {
  const Json error =
      answer.is_object() ? answer.value("error", Json()) : Json();
  return absl::StrCat(
      ". Type the same command again: it finishes this one. At another node, "
      "add --operation ",
      error.is_object() ? error.value("operation", name_) : name_);
}

std::string FinishesText(const Json& answer) {
  if (!answer.contains("finishes")) return "";
  return "this finishes the earlier command, whose outcome was not known; for "
         "another change, type it again\n";
}

}  // namespace quorate::net
