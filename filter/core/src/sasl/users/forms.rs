//! What strangers see of users without asking for a name: the kind of their salts, and iterations. Whoever is
//! unknown imitates one of the kinds of users there are.
//!
//! Which kind a name imitates depends on the name, a secret, and the kinds that occur, not on who the users
//! are or how many: a change of the list changes nothing that is shown for an unknown name, as long as the
//! kinds stay. When one comes or goes, some unknown names change with it (rendezvous hashing: only those that
//! win or lose by it).

use std::collections::BTreeSet;
use std::rc::Rc;

use super::user::User;
use crate::limits::{FORMS_MAX, SCRAM_ITERATIONS_MIN, SCRAM_SALT_BYTES};
use crate::sasl::keyed::PurposeKey;
use crate::sasl::scram::credentials::{Credentials, Hash};

/// What strangers see of SCRAM credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub(super) salt: Salt,
    pub(super) iterations: u32,
}

/// What salts look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Salt {
    /// So many random bytes.
    Bytes(usize),
    /// As Kafka makes them: a number of 130 bits, as text to the base of 36.
    Kafka,
}

impl Salt {
    fn of(salt: &[u8]) -> Self {
        let is_text = salt.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        // A number of fewer digits comes once in millions of times.
        if is_text && (KAFKA_SALT_DIGITS - 4..=KAFKA_SALT_DIGITS).contains(&salt.len()) {
            Self::Kafka
        } else {
            Self::Bytes(salt.len())
        }
    }

    /// A salt of this kind, from bytes that nobody foresees. `random` gives as many as are asked for.
    pub(super) fn make(self, random: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
        match self {
            Self::Bytes(length) => random(length),
            Self::Kafka => base_36(random(KAFKA_SALT_BYTES)),
        }
    }
}

/// 130 bits to the base of 36.
const KAFKA_SALT_DIGITS: usize = 26;
const KAFKA_SALT_BYTES: usize = 17;

/// The last 130 bits of `number`, big-endian.
fn base_36(mut number: Vec<u8>) -> Vec<u8> {
    number.iter_mut().take(1).for_each(|first| *first &= 3);
    let mut digits = vec![];
    while digits.is_empty() || number.iter().any(|byte| *byte != 0) {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            // Below 256, since `rest` is below 36.
            *byte = (value / 36) as u8;
            rest = value % 36;
        }
        digits.extend(char::from_digit(rest, 36).map(|digit| digit as u8));
    }
    digits.reverse();
    digits
}

impl Form {
    /// The form of credentials that are derived from a password.
    pub(super) const DERIVED: Self = Self { salt: Salt::Bytes(SCRAM_SALT_BYTES), iterations: SCRAM_ITERATIONS_MIN };

    fn of(credentials: &Credentials) -> Self {
        Self { salt: Salt::of(&credentials.salt), iterations: credentials.iterations }
    }
}

/// All that strangers see of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    sha_256: Option<Form>,
    sha_512: Option<Form>,
    /// What a wrong password costs where PLAIN takes a PBKDF2.
    pub(super) plain: (Hash, Form),
}

impl Kind {
    /// The kind of a user with a password, and of every name where there are no users.
    const DERIVED: Self =
        Self { sha_256: Some(Form::DERIVED), sha_512: Some(Form::DERIVED), plain: (Hash::Sha256, Form::DERIVED) };

    pub(super) fn of(user: &User) -> Self {
        let form = |hash| user.credentials(hash).map(Form::of).or(user.password.as_ref().map(|_| Form::DERIVED));
        let plain = user.plain_credentials().map(|given| (given.hash, Form::of(given)));
        Self { sha_256: form(Hash::Sha256), sha_512: form(Hash::Sha512), plain: plain.unwrap_or(Self::DERIVED.plain) }
    }

    pub(super) fn form(&self, hash: Hash) -> Option<Form> {
        match hash {
            Hash::Sha256 => self.sha_256,
            Hash::Sha512 => self.sha_512,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let form = |form: Option<Form>| {
            let Form { salt, iterations } = form.unwrap_or(Form { salt: Salt::Bytes(0), iterations: 0 });
            let salt = match salt {
                Salt::Bytes(length) => length as u64,
                Salt::Kafka => u64::MAX,
            };
            [salt.to_be_bytes(), u64::from(iterations).to_be_bytes()].concat()
        };
        let (hash, plain) = self.plain;
        [form(self.sha_256), form(self.sha_512), form(Some(plain)), vec![hash.bytes() as u8]].concat()
    }
}

/// The kinds of users that there are.
pub(super) struct Forms(Vec<Kind>);

impl Forms {
    pub(super) fn new(users: &[Rc<User>], key: &PurposeKey) -> Self {
        let kinds: BTreeSet<Kind> = users.iter().map(|user| Kind::of(user)).collect();
        let mut kinds: Vec<Kind> = kinds.into_iter().collect();
        // Whether a kind is kept must depend on the other kinds no more than it has to.
        kinds.sort_by_cached_key(|kind| key.digest(&[b"kind", &kind.bytes()]));
        kinds.truncate(FORMS_MAX);
        Self(kinds)
    }

    #[cfg(test)]
    pub(super) fn kinds(&self) -> usize {
        self.0.len()
    }

    /// The kind that an unknown `name` imitates.
    pub(super) fn imitated(&self, name: &str, key: &PurposeKey) -> Kind {
        self.pick(name, key, |_| true).unwrap_or(Kind::DERIVED)
    }

    /// The form of SCRAM with `hash` for `name`, which is of `kind`. Who has nothing for this hash imitates
    /// those who do.
    pub(super) fn form(&self, kind: Kind, name: &str, hash: Hash, key: &PurposeKey) -> Form {
        let other = || self.pick(name, key, |kind| kind.form(hash).is_some())?.form(hash);
        kind.form(hash).or_else(other).unwrap_or(Form::DERIVED)
    }

    fn pick(&self, name: &str, key: &PurposeKey, may: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let score = |kind: &&Kind| key.digest(&[b"imitate", name.as_bytes(), &kind.bytes()]);
        self.0.iter().filter(|kind| may(kind)).max_by_key(score).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_salts_are_known_and_made() {
        for (salt, expected) in [
            // Of Kafka 4.3's ScramFormatter.
            (&b"1arts6uz3uup5b3xzc2litpfcw"[..], Salt::Kafka),
            (b"kt0wshtvcsqjzvqrxqnzjaa0k", Salt::Kafka),
            (b"Kt0wshtvcsqjzvqrxqnzjaa0k", Salt::Bytes(25)),
            (b"abcdefgh", Salt::Bytes(8)),
            (&[0xc3; 16], Salt::Bytes(16)),
        ] {
            assert_eq!(Salt::of(salt), expected);
        }
        assert_eq!(base_36(vec![0; 17]), b"0");
        assert_eq!(base_36([vec![0; 15], vec![0x05, 0x0f]].concat()), b"zz", "1295");
        assert_eq!(base_36(vec![0xff; 17]), b"1omfro7zwmumr3umxudzyj6scf", "2^130 - 1");
        let key = PurposeKey::new(&[5; 32], "test");
        for n in 0..200_u32 {
            let salt = Salt::Kafka.make(|length| key.bytes(&[&n.to_be_bytes()], length));
            assert_eq!(Salt::of(&salt), Salt::Kafka, "{salt:?}");
            assert!(salt.len() < 26 || salt[0] == b'1');
        }
    }
}
