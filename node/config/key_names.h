// node/config/key_names.h: the names of the keys of a configuration file, for
// messages about a key that is none of them.
#ifndef QUORATE_NODE_CONFIG_KEY_NAMES_H_
#define QUORATE_NODE_CONFIG_KEY_NAMES_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace quorate::node {

// Names are such as "limits.connections". In an array of tables they are
// "nodes[].id".
using KeyNameList = absl::Span<const std::string_view>;

// Whether a key is in the table "limits" or "nodes[]".
bool IsTable(std::string_view table, KeyNameList keys);

// The key with the fewest single-character edits to `name`.
std::string_view NearestKey(std::string_view name, KeyNameList keys);

// "[limits] has key_bytes, …": the keys of the innermost table that there is
// and that `name` is in. If there is none: "the tables are [node], …".
std::string KeysBeside(std::string_view name, KeyNameList keys);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_KEY_NAMES_H_
