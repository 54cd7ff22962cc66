// net/tools/change_operation.h: the name of a change, so that a second try
// finishes the first one.
#ifndef QUORATE_NET_TOOLS_CHANGE_OPERATION_H_
#define QUORATE_NET_TOOLS_CHANGE_OPERATION_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace quorate::net {

// The command line that finishes the operation, as it is typed in a shell.
// `words`: those of the first one, at least the path of the program.
std::string FinishingCommand(const std::vector<std::string>& words,
                             const std::string& operation);

// All requests of one run of the program for its change have this name.
class ChangeOperation {
 public:
  // `finishes`: the operation that the user named; empty: a new one.
  // `command`: the words of FinishingCommand; empty: there are none.
  ChangeOperation(const std::string& finishes,
                  std::vector<std::string> command);
  // A change that is already so, or refused, if it is made again: it has no
  // name.
  ChangeOperation() = default;

  const std::string& name() const { return name_; }
  // The header of the request, with "\r\n" at its end; empty without a name.
  std::string Header() const;
  // The operation that the node executed for this one. `answer`: that of the
  // node, if there was one. It may have gone on with another operation.
  std::string NameIn(const nlohmann::ordered_json& answer) const;
  // The words behind an error after which the outcome is not known: the command
  // line that finishes the operation `name`.
  std::string Advice(const std::string& name) const;

 private:
  const bool finishes_ = false;
  const std::string name_ = {};
  const std::vector<std::string> command_ = {};
};

// For the answer to a change: empty, or a line about the earlier command that
// it finishes.
std::string FinishesText(const nlohmann::ordered_json& answer);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CHANGE_OPERATION_H_
