// node/commands/glob.h: the patterns of KEYS, SCAN, CONFIG GET and COMMAND
// LIST.
//
// Redis's rules for *, ?, [...] and backslash. Pure.
#ifndef QUORATE_NODE_COMMANDS_GLOB_H_
#define QUORATE_NODE_COMMANDS_GLOB_H_

#include <string_view>

namespace quorate::node {

// Matches with Redis's rules: '*', '?', '[a-z]', '[^…]' and backslash. The time
// is at most proportional to the product of both lengths.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_GLOB_H_
