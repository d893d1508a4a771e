//! Who uses the sample shop, and what they ordered. The same at every start.

/// Name and city of every user; a user's id is the place here, from 1.
const USERS: [(&str, &str); 36] = [
    ("Ada Lindqvist", "Uppsala"),
    ("Bram de Wit", "Utrecht"),
    ("Chiara Conti", "Bologna"),
    ("Dmitri Orlov", "Riga"),
    ("Elif Kaya", "Izmir"),
    ("Farid Haddad", "Lyon"),
    ("Grace Okafor", "Lagos"),
    ("Hanna Virtanen", "Turku"),
    ("Ines Carvalho", "Porto"),
    ("Jonas Keller", "Basel"),
    ("Keiko Tanaka", "Sapporo"),
    ("Liam Byrne", "Cork"),
    ("Mara Novak", "Ljubljana"),
    ("Noor Rahman", "Dhaka"),
    ("Oskar Nilsen", "Bergen"),
    ("Paula Reyes", "Valencia"),
    ("Quentin Moreau", "Nantes"),
    ("Rosa Jimenez", "Puebla"),
    ("Samir Patel", "Leicester"),
    ("Tereza Dvorak", "Brno"),
    ("Umar Diallo", "Dakar"),
    ("Vera Petrova", "Plovdiv"),
    ("Wanda Zielinska", "Gdynia"),
    ("Xavier Roca", "Girona"),
    ("Yusuf Demir", "Bursa"),
    ("Zoe Papadaki", "Chania"),
    ("Anton Weber", "Graz"),
    ("Beatriz Souza", "Recife"),
    ("Carl Jensen", "Aarhus"),
    ("Dora Szabo", "Pecs"),
    ("Emil Varga", "Cluj"),
    ("Fiona MacLeod", "Inverness"),
    ("George Mbeki", "Durban"),
    ("Hugo Martin", "Ghent"),
    ("Irene Costa", "Cagliari"),
    ("Jan Kowalski", "Lublin"),
];

/// What the shop sells, and its price in cents.
const ITEMS: [(&str, u32); 7] = [
    ("oat flakes, 1 kg", 289),
    ("rye bread", 420),
    ("olive oil, 0.5 l", 1150),
    ("honey, 500 g", 690),
    ("lentils, 500 g", 245),
    ("coffee beans, 1 kg", 1890),
    ("pickled cucumbers", 310),
];

const ORDERS: usize = 48;

/// All users, as a JSON array.
pub(super) fn users() -> String {
    array((1..=USERS.len()).filter_map(user))
}

/// One user, as a JSON object; `None` where there is none of that id.
pub(super) fn user(id: usize) -> Option<String> {
    let (name, city) = USERS.get(id.checked_sub(1)?)?;
    let mail = name.to_lowercase().replace(' ', ".");
    Some(format!(
        "{{\"id\": {id}, \"name\": \"{name}\", \"email\": \"{mail}@example.org\", \
         \"city\": \"{city}\", \"since\": {}}}",
        2015 + id % 11
    ))
}

/// All orders, as a JSON array.
pub(super) fn orders() -> String {
    array((0..ORDERS).map(|n| {
        let (item, cents) = ITEMS[n * 3 % ITEMS.len()];
        let quantity = 1 + n % 4;
        let total = cents * u32::try_from(quantity).unwrap_or(1);
        format!(
            "{{\"id\": {}, \"user\": {}, \"item\": \"{item}\", \"quantity\": {quantity}, \
             \"total\": \"{}.{:02}\"}}",
            1001 + n,
            1 + n * 7 % USERS.len(),
            total / 100,
            total % 100
        )
    }))
}

fn array(objects: impl Iterator<Item = String>) -> String {
    format!("[\n  {}\n]", objects.collect::<Vec<_>>().join(",\n  "))
}
