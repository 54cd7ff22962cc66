// node/config/toml.h: the TOML library as all programs compile it.
//
// The library asserts that a table's header begins with a key. With NDEBUG the
// compiler would assume it; the code after the assertion reports the error. So
// neither form of assert is compiled.
#ifndef QUORATE_NODE_CONFIG_TOML_H_
#define QUORATE_NODE_CONFIG_TOML_H_

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ASSERT(expr) static_assert(true)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#endif  // QUORATE_NODE_CONFIG_TOML_H_
