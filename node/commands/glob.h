// node/commands/glob.h: the patterns of KEYS, SCAN, CONFIG GET and COMMAND LIST.
//
// Redis's rules for *, ?, [...] and backslash. Pure, and never slower than the product of both lengths.
#ifndef QUORATE_NODE_COMMANDS_GLOB_H_
#define QUORATE_NODE_COMMANDS_GLOB_H_

#include <string_view>

namespace quorate::node {

// Redis's glob: '*', '?', '[a-z]', '[^…]' and backslash. Linear in pattern
// times text; patterns cannot make it explode.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_GLOB_H_
