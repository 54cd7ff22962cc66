#include "lincheck/model.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {

Operation Relax(Operation op) {
  op.ret = kNever;
  op.result = {};
  return op;
}

bool ReadsInAnyCase(const Model& model, const Operation& op) {
  return OnlyReads(model, Relax(op));
}

CallInWords FlagInWords(const Operation& op) {
  if (op.result == Value::Integer(1)) return {.call = {}, .result = "true"};
  if (op.result == Value::Integer(0)) return {.call = {}, .result = "false"};
  return {};
}

std::string DescribeResult(const Model& model, const Operation& op) {
  std::string words = model.InWords(op).result;
  return words.empty() ? op.result.ToString() : words;
}

std::string DescribeCall(const Model& model, const Operation& op) {
  CallInWords words = model.InWords(op);
  if (!words.call.empty()) return std::move(words.call);
  std::string text(model.FunctionName(op.function));
  absl::StrAppend(&text, "(");
  if (!op.expected.is_none()) {
    absl::StrAppend(&text, op.expected.ToString(), " -> ");
  }
  if (!op.argument.is_none()) absl::StrAppend(&text, op.argument.ToString());
  absl::StrAppend(&text, ")");
  if (!op.known()) {
    absl::StrAppend(&text, " = ?");
  } else if (!op.result.is_none()) {
    absl::StrAppend(&text, " = ",
                    words.result.empty() ? op.result.ToString() : words.result);
  }
  return text;
}

std::string DescribeCallOfClient(const Model& model, const Operation& op) {
  return absl::StrCat(DescribeCall(model, op), " of client ", op.client);
}

std::string DescribeSeenCall(const Model& model, Operation op) {
  if (!op.known()) op.ret = op.invoke, op.result = {};
  return DescribeCallOfClient(model, op);
}

}  // namespace quorate::lincheck
