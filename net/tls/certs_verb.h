// net/tls/certs_verb.h: `quoratectl certs`: writes an authority, and the
// certificates of nodes and clients, to files.
#ifndef QUORATE_NET_TLS_CERTS_VERB_H_
#define QUORATE_NET_TLS_CERTS_VERB_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate::net {

struct CertsArguments {
  // The directory of the new files, which is created.
  std::string out;
  // The directory with ca.crt and ca.key; empty: that of the new files.
  std::string authority;
  // The name of the authority or of the client.
  std::string name;
  uint64_t cluster = 0;
  uint32_t node = 0;
  std::vector<std::string> hosts;
  int days = 0;  // 0: the default of the command.
};

// Each writes NAME.crt, and NAME.key for its owner alone, with NAME as "ca",
// "node-3" or "client-anna". No file is overwritten. Each returns the lines to
// print.
absl::StatusOr<std::string> MakeCaFiles(const CertsArguments& arguments);
absl::StatusOr<std::string> MakeNodeFiles(const CertsArguments& arguments);
absl::StatusOr<std::string> MakeClientFiles(const CertsArguments& arguments);

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_CERTS_VERB_H_
