// node/testing/every_request.h: requests of all commands of the table, right
// and wrong ones, for tests that must cover every command.
//
// Testonly.
#ifndef QUORATE_NODE_TESTING_EVERY_REQUEST_H_
#define QUORATE_NODE_TESTING_EVERY_REQUEST_H_

#include <string>
#include <string_view>
#include <vector>

namespace quorate::node {

using RequestWords = std::vector<std::string_view>;

// Each row of the command table with the fewest arguments that it accepts, with
// some more, and with wrong numbers of them. Then requests of the commands
// whose arguments have a form of their own. Keys have the tag f, foo or 1. Most
// are keys called foo.
std::vector<RequestWords> EveryRequest();

// The words in a line, for messages.
std::string LineOf(const RequestWords& words);

}  // namespace quorate::node

#endif  // QUORATE_NODE_TESTING_EVERY_REQUEST_H_
