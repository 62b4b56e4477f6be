// Whom a server runs as, once it has opened what only root may open.
#pragma once

#include <string>

namespace rdpipe {

// Becomes another user for good, with all threads of the process: "USER" with their own group, or
// "USER:GROUP"; both by name. Supplementary groups are the user's. Whoever is that user already, and has that
// group, stays as they are. Throws Error{kUsage} for a name that does not exist, Error{kEndpoint} when this
// is not permitted, or root could be had again; then it may be half done, and the process should end.
// To be done before anything opens an RDMA device or listens with rdma_cm, which take no commands of a thread
// whose credentials have changed since; limits (RLIMIT_MEMLOCK) stay as they are.
void become_user(const std::string& user_and_group);

}  // namespace rdpipe
