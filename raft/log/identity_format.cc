#include "raft/log/identity_format.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

constexpr std::string_view kMagic = "quoratID";
constexpr size_t kHeaderBytes = kIdentityFixedBytes - 4;

}  // namespace

std::string EncodeIdentity(const StoreIdentity& identity) {
  std::string out(kMagic);
  AppendFixed<uint32_t>(&out, kStoreFormatVersion);
  AppendFixed<uint32_t>(&out, identity.node.value());
  AppendFixed<uint64_t>(&out, identity.cluster.value());
  AppendFixed<uint64_t>(&out, identity.store.value());
  AppendFixed<uint64_t>(&out, identity.restored_from.value());
  CHECK_LE(identity.bootstrap_record.size(), kBootstrapRecordBytesMax);
  AppendFixed(&out, static_cast<uint32_t>(identity.bootstrap_record.size()));
  CHECK_EQ(out.size(), kHeaderBytes);
  out += identity.bootstrap_record;
  AppendFixed<uint32_t>(&out, Crc32c(0, out));
  return out;
}

absl::StatusOr<StoreIdentity> DecodeIdentity(std::string_view bytes) {
  // The version comes first: a later format may have another length and another
  // checksum.
  if (bytes.size() >= 12 && bytes.substr(0, kMagic.size()) == kMagic) {
    const uint32_t version = LoadFixed<uint32_t>(bytes, 8);
    if (version > kStoreFormatVersion && version < 1000) {
      return absl::FailedPreconditionError(
          absl::StrCat("the data directory has format version ", version,
                       ", this program knows version ", kStoreFormatVersion,
                       "; start the program that wrote it"));
    }
  }
  if (bytes.size() < kIdentityFixedBytes ||
      bytes.substr(0, kMagic.size()) != kMagic ||
      LoadFixed<uint32_t>(bytes, 8) != kStoreFormatVersion ||
      LoadFixed<uint32_t>(bytes, kHeaderBytes - 4) !=
          bytes.size() - kIdentityFixedBytes ||
      LoadFixed<uint32_t>(bytes, bytes.size() - 4) !=
          Crc32c(0, bytes.substr(0, bytes.size() - 4))) {
    return absl::DataLossError(
        "the file 'identity' is damaged; restore it from a copy of this very "
        "directory: the file never changes once its cluster is founded. "
        "Without a copy the directory is lost");
  }
  StoreIdentity identity;
  identity.node = NodeId(LoadFixed<uint32_t>(bytes, 12));
  identity.cluster = ClusterId(LoadFixed<uint64_t>(bytes, 16));
  identity.store = StoreIncarnation(LoadFixed<uint64_t>(bytes, 24));
  identity.restored_from = ClusterId(LoadFixed<uint64_t>(bytes, 32));
  identity.bootstrap_record = std::string(
      bytes.substr(kHeaderBytes, bytes.size() - kIdentityFixedBytes));
  return identity;
}

}  // namespace quorate::raft
