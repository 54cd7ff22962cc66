// net/tools/change_operation.h: the name of a change, so that a second try
// finishes the first one.
#ifndef QUORATE_NET_TOOLS_CHANGE_OPERATION_H_
#define QUORATE_NET_TOOLS_CHANGE_OPERATION_H_

#include <nlohmann/json.hpp>
#include <string>

namespace quorate::net {

class ChangeOperation {
 public:
  // `finishes`: the operation that the user named; empty: a new one.
  explicit ChangeOperation(const std::string& finishes);

  // The header of the request, with "\r\n" at its end.
  std::string Header() const;
  // The words behind an error after which the outcome is not known. `answer`:
  // that of the node, if there was one. It may have gone on with another
  // operation.
  std::string Advice(const nlohmann::ordered_json& answer) const;

 private:
  const bool finishes_;
  const std::string name_;
};

// For the answer to a change: empty, or a line about the earlier command that
// it finishes.
std::string FinishesText(const nlohmann::ordered_json& answer);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CHANGE_OPERATION_H_
