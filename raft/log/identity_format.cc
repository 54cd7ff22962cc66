#include "raft/log/identity_format.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "raft/log/little_endian.h"

namespace quorate::raft {
namespace {

constexpr std::string_view kMagic = "quoratID";
constexpr size_t kIdentityBytes = 40;

}  // namespace

std::string EncodeIdentity(const StoreIdentity& identity) {
  std::string out(kMagic);
  PutFixed<uint32_t>(&out, kStoreFormatVersion);
  PutFixed<uint32_t>(&out, identity.node.value());
  PutFixed<uint64_t>(&out, identity.cluster.value());
  PutFixed<uint64_t>(&out, identity.store.value());
  PutFixed<uint32_t>(&out, 0);
  PutFixed<uint32_t>(&out, Crc32c(0, out));
  CHECK_EQ(out.size(), kIdentityBytes);
  return out;
}

absl::StatusOr<StoreIdentity> DecodeIdentity(std::string_view bytes) {
  // The version comes first: a later format may have another length and another checksum.
  if (bytes.size() >= 12 && bytes.substr(0, kMagic.size()) == kMagic) {
    const uint32_t version = GetFixed<uint32_t>(bytes, 8);
    if (version > kStoreFormatVersion && version < 1000) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the data directory has format version ", version,
          ", this program knows versions up to ", kStoreFormatVersion,
          "; start the program that wrote it"));
    }
  }
  if (bytes.size() != kIdentityBytes ||
      bytes.substr(0, kMagic.size()) != kMagic ||
      GetFixed<uint32_t>(bytes, kIdentityBytes - 4) !=
          Crc32c(0, bytes.substr(0, kIdentityBytes - 4))) {
    return absl::DataLossError(
        "the file 'identity' is damaged; restore it from a copy, or found the "
        "store anew in an empty directory and let the node return as a new "
        "member");
  }
  StoreIdentity identity;
  identity.node = NodeId(GetFixed<uint32_t>(bytes, 12));
  identity.cluster = ClusterId(GetFixed<uint64_t>(bytes, 16));
  identity.store = StoreIncarnation(GetFixed<uint64_t>(bytes, 24));
  return identity;
}

}  // namespace quorate::raft
