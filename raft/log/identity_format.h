// raft/log/identity_format.h: the bytes of the identity file
// (docs/reference/formats/identity.md). Pure.
//
// identity.h says what the file means and when it is written.
#ifndef QUORATE_RAFT_LOG_IDENTITY_FORMAT_H_
#define QUORATE_RAFT_LOG_IDENTITY_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/log/identity.h"

namespace quorate::raft {

// Version of the data directory as a whole. A change to a stored form that an
// older program would misread raises it.
inline constexpr uint32_t kStoreFormatVersion = 1;

// Size of the file without its bootstrap record.
inline constexpr size_t kIdentityFixedBytes = 48;

// Requires: the bootstrap record has at most kBootstrapRecordBytesMax bytes.
std::string EncodeIdentity(const StoreIdentity& identity);
// kDataLoss: damaged; kFailedPrecondition: another format version.
absl::StatusOr<StoreIdentity> DecodeIdentity(std::string_view bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_IDENTITY_FORMAT_H_
