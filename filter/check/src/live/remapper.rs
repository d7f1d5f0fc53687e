//! Whether the address is Envoy's, with the filter in it, instead of a broker's.

use kafka_partition_remapper_core::remapper::Lane;
use kafka_partition_remapper_core::shadow;
use kafka_protocol::messages::{GroupId, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::net::connection::Connection;
use crate::net::Trouble;

/// The last version that asks for one group alone.
const ONE_GROUP_VERSION: i16 = 7;

/// A broker knows no shadow of a group that there never was, and says so, or that another one would know, or
/// that it is not allowed. The filter refuses the name as such: clients may not ask for shadows.
pub(super) fn is_there(connection: &mut Connection) -> Result<bool, Trouble> {
    let group = GroupId(StrBytes::from_string(shadow::name("kafka-remapper-check", Lane(1))));
    let request = |_| OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(None);
    let answer = connection.ask(ONE_GROUP_VERSION, &request)?;
    Ok(answer.error_code == ResponseError::InvalidGroupId.code())
}
