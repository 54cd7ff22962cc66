// node/acl/sha256.h: the digest under which users keep passwords (FIPS 180-4).
//
// A short one of our own, so that the rules of users need no cryptography
// library and run in the simulator. It sees passwords only, never large input.
#ifndef QUORATE_NODE_ACL_SHA256_H_
#define QUORATE_NODE_ACL_SHA256_H_

#include <string>
#include <string_view>

namespace quorate::node {

// In 64 lowercase hexadecimal digits, as Redis writes it.
std::string Sha256Hex(std::string_view bytes);

// Compares in a time that depends on the sizes alone.
bool EqualsInConstantTime(std::string_view a, std::string_view b);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACL_SHA256_H_
